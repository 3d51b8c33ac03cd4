/**
 * Says for people why a server could not listen, and what to do. `error` is what `listen` failed with, or its text;
 * `what` names the server: "the status page".
 */
export function describeListenError(error: unknown, port: number, what: string): string {
  const text = error instanceof Error ? `${codeOf(error)} ${error.message}` : String(error);
  if (text.includes("EADDRINUSE"))
    return `${what} cannot listen on port ${port}, because another program does. Stop that program, or choose another port with --port.`;
  if (text.includes("EACCES"))
    return port < 1024
      ? `${what} may not listen on port ${port}: ports below 1024 need special rights. Choose one from 1024 with --port.`
      : `${what} may not listen on port ${port}; the system keeps it. Choose another port with --port.`;
  if (text.includes("EADDRNOTAVAIL"))
    return `${what} cannot listen on port ${port}, because this machine does not have the address. Check that 127.0.0.1 is up.`;
  return `${what} cannot listen on port ${port}: ${text.trim()}. Try another port with --port.`;
}

function codeOf(error: Error): string {
  return "code" in error && typeof error.code === "string" ? error.code : "";
}
