import { afterEach, describe, expect, test } from "vitest";
import { type FunctionHost, type HostedFunction, startFunctionHost } from "./function-host.ts";

const PORT = 'import { parentPort as port } from "node:worker_threads";';
const SAY = 'const say = (id, result) => port.postMessage({ kind: "done", id, ok: true, result });';
const PONG = 'if (question.kind === "alive?") return port.postMessage({ kind: "alive" });';

/** A thread that answers an event by what it says. */
const ROUGH = thread(`port.on("message", (question) => {
  ${PONG}
  const { id, event } = question;
  switch (event.do) {
    case "answer": return say(id, event.with);
    case "environment": return say(id, { ...process.env });
    case "log": console.log("to stdout"); console.error("to stderr"); return say(id);
    case "throw-later": return void setTimeout(() => { throw new Error("thrown in a timer"); });
    case "reject": return void Promise.reject(new Error("nobody caught it"));
    case "exit": process.exit(7);
    case "hang": return;
    case "spin": for (;;) {}
  }
});`);

const hosts: FunctionHost[] = [];
afterEach(async () => {
  await Promise.all(hosts.splice(0).map((host) => host.close(0)));
});

function thread(body: string): URL {
  return new URL(`data:text/javascript,${encodeURIComponent([PORT, SAY, body].join("\n"))}`);
}

function startHost(options: Partial<Parameters<typeof startFunctionHost>[0]> = {}) {
  const lines: string[] = [];
  const host = startFunctionHost({
    environment: { ONLY: "this" },
    onLine: (line) => lines.push(line),
    thread: ROUGH,
    ...options,
  });
  hosts.push(host);
  const ask = (event: object, within = 20) => host.invoke(lasting(within), event);
  return { host, ask, lines };
}

function lasting(timeoutSeconds: number): HostedFunction {
  return { name: "decide", file: "decide", timeoutSeconds };
}

describe("the functions' thread", () => {
  test("answers each invocation with its own result", async () => {
    const { host, ask } = startHost();
    const answers = [1, 2, 3].map((number) => ask({ do: "answer", with: number }));
    expect(await Promise.all(answers)).toEqual([1, 2, 3]);
    expect(host.running()).toBe(0);
  });

  test("sees only the environment that it was given", async () => {
    expect(await startHost().ask({ do: "environment" })).toEqual({ ONLY: "this" });
  });

  test("has every line that it prints written to the log", async () => {
    const { host, ask, lines } = startHost();
    await ask({ do: "log" });
    await host.close(0);
    expect(lines).toEqual(expect.arrayContaining(["to stdout", "to stderr"]));
  });

  test.each([
    ["an exception in a timer", { do: "throw-later" }, "thrown in a timer"],
    ["a rejection that nobody caught", { do: "reject" }, "nobody caught it"],
    ["an exit", { do: "exit" }, undefined],
  ])("that dies of %s fails what ran, says why, and is started again by the next event", async (_, event, why) => {
    const { ask, lines } = startHost();
    const running = ask({ do: "hang" });
    const [first, second] = await Promise.allSettled([running, ask(event)]);
    for (const { status } of [first, second]) expect(status).toBe("rejected");
    expect(String(first.status === "rejected" && first.reason)).toContain("the functions' thread ended");
    if (why !== undefined) expect(lines.join("\n")).toContain(why);
    expect(await ask({ do: "answer", with: "again" })).toBe("again");
  });

  test("that cannot start fails each event once and does not spin", async () => {
    const { ask, host } = startHost({ thread: thread('throw new Error("cannot start");') });
    await expect(ask({ do: "answer" })).rejects.toThrow("the functions' thread ended");
    await expect(ask({ do: "answer" })).rejects.toThrow("the functions' thread ended");
    expect(host.running()).toBe(0);
  });

  test("is kept when a function overruns its time but the thread still answers", async () => {
    const { ask, lines } = startHost({ patienceMs: 10_000 });
    await ask({ do: "answer" });
    await expect(ask({ do: "hang" }, 0.05)).rejects.toThrow("decide did not end within its 0.05 s");
    expect(await ask({ do: "answer", with: "still here" })).toBe("still here");
    expect(lines).toEqual([]);
  });

  test("is ended and started again when a function keeps it busy past its time", async () => {
    const { ask, lines } = startHost({ patienceMs: 100 });
    await ask({ do: "answer" });
    const others = ask({ do: "hang" });
    await expect(ask({ do: "spin" }, 0.05)).rejects.toThrow("did not end within");
    await expect(others).rejects.toThrow("the functions' thread ended");
    expect(lines.join("\n")).toContain("functions-stuck");
    expect(await ask({ do: "answer", with: "again" })).toBe("again");
  });
});

describe("close", () => {
  test("waits for what runs", async () => {
    const slow = thread(`port.on("message", ({ id }) => setTimeout(() => say(id, "in time"), 50));`);
    const { host, ask } = startHost({ thread: slow });
    const running = ask({ do: "answer" });
    await host.close(20_000);
    expect(await running).toBe("in time");
  });

  test("ends what does not end within its grace, which fails", async () => {
    const { host, ask } = startHost();
    const failed = expect(ask({ do: "hang" })).rejects.toThrow("the functions' thread ended");
    await host.close(10);
    await failed;
    expect(host.running()).toBe(0);
  });

  test("lets no later event start another thread", async () => {
    const { host, ask } = startHost();
    await host.close(0);
    await expect(ask({ do: "answer" })).rejects.toThrow("the functions are closing");
  });
});

describe("the real thread", () => {
  test("loads a handler by its file, and one that is missing fails its event only", async () => {
    const { host } = startHost({ thread: new URL("./functions-worker.ts", import.meta.url) });
    await expect(host.invoke({ name: "decide", file: "no-such-file", timeoutSeconds: 20 }, {})).rejects.toThrow(
      /no-such-file/,
    );
    await expect(host.invoke({ name: "decide", file: "manifest", timeoutSeconds: 20 }, {})).rejects.toThrow(
      "functions/manifest.ts exports no handler",
    );
  });
});
