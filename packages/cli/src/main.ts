import { homedir, userInfo } from "node:os";
import { join } from "node:path";
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { DEFAULT_CONFIG } from "./default-config.ts";
import { CommandFailed, EXIT } from "./exit-codes.ts";
import { processTerminal } from "./terminal.ts";

// Each command loads what it needs when it is called: loading all of it takes longer than most of them.

const terminal = processTerminal((problem) => {
  terminal.err(problem);
  process.once("exit", () => {
    process.exitCode = EXIT.failed;
  });
});
const DEFAULT_DATA = ".neuropilot";

function folder(text: string): string {
  if (text.trim() !== "") return text;
  throw new InvalidArgumentError("Name a folder.");
}

function port(text: string): number {
  const value = Number(text);
  // The table and the bus take two neighbours.
  if (Number.isInteger(value) && value >= 0 && value <= 65_534) return value;
  throw new InvalidArgumentError("A port is a whole number from 0 (any free one) to 65534.");
}

function endpoint(text: string): string {
  if (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)) return text;
  throw new InvalidArgumentError('Say it as "http://127.0.0.1:8000".');
}

function somebody(): string {
  try {
    return userInfo().username;
  } catch {
    return homedir();
  }
}

const data = () =>
  new Option("--data <folder>", "where its state lives").argParser(folder).default(DEFAULT_DATA).env("NEUROPILOT_DATA");
const json = () => new Option("--json", "print JSON of a documented, stable shape").default(false);
const by = () => new Option("--by <name>", "who says so, for the record").default(somebody());

const program = new Command("neuropilot")
  .description(
    "Watches your services, heals them through the platforms' own APIs, proves that it helped, and tells you once.",
  )
  .version("0.1.0")
  .showSuggestionAfterError(true)
  .showHelpAfterError("(--help shows what there is)")
  .configureHelp({ helpWidth: 110 })
  .exitOverride();

/** Ends with the command's own code, so that scripts can use it. */
function ending(code: number): void {
  process.exitCode = code;
}

program
  .command("up")
  .description("watch and heal until Ctrl-C; without a config, a demo that breaks and is healed before your eyes")
  .addOption(new Option("--config <file>", `the config; else ${DEFAULT_CONFIG} in this folder, else the demo`))
  .addOption(data())
  .addOption(
    new Option("--port <number>", "port of the table server; the bus takes the next one (0: any free ones)")
      .argParser(port)
      .default(0),
  )
  .addOption(
    new Option("--table-endpoint <url>", "another DynamoDB-compatible server than the built-in one")
      .argParser(endpoint)
      .env("NEUROPILOT_TABLE_ENDPOINT"),
  )
  .addOption(new Option("--json", "print one JSON object a line instead of the story").default(false))
  .addHelpText(
    "after",
    "\nExamples:\n  $ npm start\n  $ neuropilot up --config neuropilot.config.ts --data /var/lib/neuropilot",
  )
  .action(async (options) => {
    const { up } = await import("./up.ts");
    ending(await up(terminal, { ...options, environment: process.env }));
  });

program
  .command("validate")
  .description("check a config: every problem at once, with its path, what it wants and an example")
  .argument("[file]", `the config; else ${DEFAULT_CONFIG} in this folder`)
  .addOption(new Option("--config <file>", "the same, as `up` takes it"))
  .addOption(json())
  .addHelpText("after", "\nExits 0 if it is valid, 1 if not.\n\nExample:\n  $ neuropilot validate neuropilot.config.ts")
  .action(async (file: string | undefined, options) => {
    if (file !== undefined && options.config !== undefined)
      throw new CommandFailed(EXIT.usage, "name the config once: either validate <file> or --config <file>");
    const { validate } = await import("./validate.ts");
    const config = file ?? options.config ?? DEFAULT_CONFIG;
    ending(await validate(terminal, { ...options, config, environment: process.env }));
  });

program
  .command("status")
  .description("what is true now, as the vantages see it")
  .addOption(data())
  .addOption(json())
  .addHelpText(
    "after",
    "\nExits 0 if it runs and every target is healthy, 1 if not, 3 if nothing has run there.\n\nExample:\n  $ neuropilot status --json | jq '.targets[] | select(.health != \"healthy\")'",
  )
  .action(async (options) => {
    const { status } = await import("./status.ts");
    ending(await status(terminal, options));
  });

program
  .command("incidents")
  .description("all incidents, the newest first, or one with its timeline")
  .argument("[id]", "an incident's id")
  .addOption(data())
  .addOption(json())
  .addHelpText("after", "\nExamples:\n  $ neuropilot incidents\n  $ neuropilot incidents inc_api_3")
  .action(async (id: string | undefined, options) => {
    const { incidents } = await import("./incidents.ts");
    ending(await incidents(terminal, { ...options, id }));
  });

program
  .command("explain")
  .description("why it did what it did in an incident: every decision made again from what it was made from")
  .argument("<incident>", "an incident's id")
  .addOption(data())
  .addOption(json())
  .addHelpText(
    "after",
    "\nExits 0 if every decision comes out the same, byte for byte, 1 if not.\n\nExample:\n  $ neuropilot explain inc_api_3",
  )
  .action(async (id: string, options) => {
    const { explain } = await import("./explain.ts");
    ending(await explain(terminal, { ...options, id }));
  });

program
  .command("audit")
  .description("the audit log: what was decided and done, each entry chained to the one before")
  .command("verify")
  .description("find entries that were changed, removed, replaced or put in another order")
  .argument("[target]", "one target; else all of them")
  .addOption(new Option("--expect <entry:hash>", "an entry that was noted elsewhere must still stand there"))
  .addOption(data())
  .addOption(json())
  .addHelpText(
    "after",
    "\nExits 0 if the logs are whole, 1 if not.\n\nExamples:\n  $ neuropilot audit verify\n  $ neuropilot audit verify api --expect 12:9f86d081…",
  )
  .action(async (target: string | undefined, options) => {
    const { verifyAudit } = await import("./audit.ts");
    ending(await verifyAudit(terminal, { ...options, target }));
  });

program
  .command("report")
  .description("what happened, how well each remedy has done, and what observe would have done")
  .addOption(new Option("--since <duration>", "the last 7d, 12h …").default("30d"))
  .addOption(new Option("--target <id>", "one target only"))
  .addOption(data())
  .addOption(json())
  .addHelpText("after", "\nExamples:\n  $ neuropilot report\n  $ neuropilot report --since 7d --target api --json")
  .action(async (options) => {
    const { report } = await import("./report.ts");
    ending(await report(terminal, options));
  });

program
  .command("pause")
  .description("stop healing within seconds, without a restart; watching and telling go on")
  .argument("[target]", "one target; else all of them")
  .addOption(data())
  .addOption(json())
  .addOption(by())
  .addOption(new Option("--reason <text>", "why, for those who wonder").default("no reason given"))
  .addOption(new Option("--for <duration>", "resume by itself after this: 30s, 10m, 2h"))
  .addHelpText(
    "after",
    '\nExamples:\n  $ neuropilot pause --reason "database migration" --for 30m\n  $ neuropilot pause api',
  )
  .action(async (target: string | undefined, options) => {
    const { pause } = await import("./control.ts");
    ending(await pause(terminal, { ...options, target }));
  });

program
  .command("resume")
  .description("let healing go on after a pause")
  .argument("[target]", "one target; else what was paused for all of them")
  .addOption(data())
  .addOption(json())
  .addOption(by())
  .addHelpText("after", "\nExample:\n  $ neuropilot resume")
  .action(async (target: string | undefined, options) => {
    const { resume } = await import("./control.ts");
    ending(await resume(terminal, { ...options, target }));
  });

for (const [word, description] of [
  ["approve", "say yes to an attempt that waits for a person (mode: approve)"],
  ["deny", "say no to it"],
  ["acknowledge", "say that you have taken an incident on"],
] as const)
  program
    .command(word)
    .description(description)
    .argument("<id>", word === "acknowledge" ? "an incident's id" : "an attempt's id")
    .addOption(data())
    .addOption(json())
    .addOption(by())
    .addHelpText("after", `\nExample:\n  $ neuropilot ${word} ${word === "acknowledge" ? "inc_api_3" : "att_api_7"}`)
    .action(async (id: string, options) => {
      const { answer } = await import("./control.ts");
      ending(await answer(terminal, { ...options, word, id }));
    });

program
  .command("drill")
  .description("break a real demo service in an isolated instance with scaled-down times, and check what happens")
  .argument("[scenario]", "one scenario; `--list` names them")
  .addOption(new Option("--all", "every scenario").default(false))
  .addOption(new Option("--list", "name the scenarios and what must happen").default(false))
  .addOption(new Option("--jobs <number>", "so many at once, with --all").argParser(jobs).default(1))
  .addOption(json())
  .addOption(new Option("--keep", "keep the folder with its state and log").default(false))
  .addHelpText(
    "after",
    "\nExits 0 if every scenario passed, 1 if not.\n\nExamples:\n  $ neuropilot drill refused\n  $ neuropilot drill --all --json",
  )
  .action(async (scenario: string | undefined, options) => {
    const { drill } = await import("./drill.ts");
    const command: [string, string] = [process.execPath, process.argv[1] ?? join(import.meta.dirname, "main.ts")];
    ending(await drill(terminal, { ...options, scenario, command }));
  });

program
  .command("backtest")
  .description("replay recorded history through another policy beside the present one, or search for better thresholds")
  .addOption(new Option("--config <file>", `the policy to try; else ${DEFAULT_CONFIG} in this folder`))
  .addOption(new Option("--against <file>", "the present policy; else what the instance ran with"))
  .addOption(
    new Option("--from <file>", "history as JSON lines, plain or gzip, - for standard input; else the instance's"),
  )
  .addOption(new Option("--since <duration>", "only the last 14d, 12h …; else all there is"))
  .addOption(new Option("--target <id>", "one target only"))
  .addOption(data())
  .addOption(
    new Option("--tune", "search thresholds and windows: false actions against delay and misses").default(false),
  )
  .addOption(new Option("--svg <file>", "with --tune: draw it there"))
  .addOption(new Option("--seed <number>", "with --tune: which policies are tried").argParser(seed).default(1))
  .addOption(
    new Option("--alone-within <duration>", "well again so soon after an action, it recovered alone").default("5m"),
  )
  .addOption(
    new Option("--outage <duration>", "most looks fail from most vantages for so long: an outage").default("3m"),
  )
  .addOption(new Option("--restart-takes <duration>", "how long the platform is taken to restart").default("60s"))
  .addOption(json())
  .addHelpText(
    "after",
    "\nChanges nothing. Exits 0 when it has replayed, 1 for a config with errors.\n\nExamples:\n  $ neuropilot backtest --config new.ts --since 14d\n  $ neuropilot history --since 30d | neuropilot backtest --from - --config new.ts --against old.ts\n  $ neuropilot backtest --tune --target api --svg front.svg",
  )
  .action(async (options) => {
    const { backtest } = await import("./backtest.ts");
    ending(await backtest(terminal, { ...options, environment: process.env }));
  });

program
  .command("history")
  .description("write what was recorded, as JSON lines: every sample, and every call that was really made")
  .addOption(new Option("--since <duration>", "only the last 14d, 12h …; else all there is"))
  .addOption(new Option("--target <id>", "one target only"))
  .addOption(data())
  .addHelpText("after", "\nExample:\n  $ neuropilot history --since 14d --target api | gzip > api.jsonl.gz")
  .action(async (options) => {
    const { history } = await import("./history.ts");
    ending(await history(terminal, { ...options, output: process.stdout }));
  });

function seed(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 0 && value <= 2 ** 31) return value;
  throw new InvalidArgumentError("Say a whole number from 0.");
}

function jobs(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= 16) return value;
  throw new InvalidArgumentError("Say a whole number from 1 to 16.");
}

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  else if (error instanceof CommandFailed) {
    terminal.err(error.message);
    process.exitCode = error.code;
  } else {
    terminal.err(error instanceof Error ? `neuropilot: ${error.message}` : String(error));
    process.exitCode = EXIT.failed;
  }
}
