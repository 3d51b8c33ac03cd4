import { isPaused } from "@neuropilot/core";
import { operatorSaid } from "@neuropilot/events";
import type { OpenInstance } from "@neuropilot/local/instance";
import { CommandFailed, EXIT, type ExitCode } from "./exit-codes.ts";
import { checkTarget, configOf, withInstance } from "./open.ts";
import { exact, type Terminal } from "./terminal.ts";

interface ControlOptions {
  readonly data: string;
  readonly json: boolean;
  /** Everything, if no target is named. */
  readonly target: string | undefined;
  readonly by: string;
}

/**
 * Stops healing: no call starts more than 5 s after this returns. Watching, deciding and telling go on. It is written to the
 * table first; the running instance needs no restart.
 */
export async function pause(
  terminal: Terminal,
  options: ControlOptions & {
    readonly reason: string /** A duration as people write it. */;
    readonly for: string | undefined;
  },
): Promise<ExitCode> {
  const forMs = options.for === undefined ? undefined : await readDuration(options.for);
  return withInstance(options.data, async (instance) => {
    checkTarget(configOf(instance, options.data), options.target);
    const now = terminal.now();
    const until = forMs === undefined ? undefined : now + forMs;
    await instance.state.updateControl(options.target ?? "global", (control) => ({
      ...control,
      paused: {
        at: now,
        by: oneLine(options.by),
        reason: oneLine(options.reason),
        ...(until === undefined ? {} : { until }),
      },
    }));
    await wake(instance, options, "pause", now);
    const scope = options.target ?? "every target";
    const end = until === undefined ? "until `neuropilot resume`" : `until ${exact(until)}`;
    terminal.out(
      options.json
        ? JSON.stringify({
            paused: true,
            target: options.target ?? null,
            until: until === undefined ? null : new Date(until).toISOString(),
          })
        : `Healing is paused for ${scope}, ${end}. Watching and telling go on. Calls already under way are not taken back.`,
    );
    return EXIT.ok;
  });
}

async function readDuration(text: string): Promise<number> {
  const { parseDuration } = await import("@neuropilot/config/define");
  const parsed = parseDuration(text);
  if (parsed.ok && parsed.value > 0) return parsed.value;
  throw new CommandFailed(EXIT.usage, `--for ${text}: say it as "30s", "10m" or "2h"`);
}

/** It is shown within a line, in Slack as well. */
function oneLine(text: string): string {
  return text.trim().replace(/\s+/g, " ");
}

export async function resume(terminal: Terminal, options: ControlOptions): Promise<ExitCode> {
  return withInstance(options.data, async (instance) => {
    checkTarget(configOf(instance, options.data), options.target);
    const now = terminal.now();
    let was = false;
    await instance.state.updateControl(options.target ?? "global", (control) => {
      was = isPaused(control, now);
      const { paused: _, ...rest } = control;
      return rest;
    });
    await wake(instance, options, "resume", now);
    const scope = options.target ?? "every target";
    const others = options.target === undefined ? await stillPaused(instance, options.data, now) : [];
    terminal.out(
      options.json
        ? JSON.stringify({ paused: false, target: options.target ?? null, wasPaused: was, stillPaused: others })
        : `${was ? `Healing goes on for ${scope}.` : `Healing was not paused for ${scope}.`}${others.length === 0 ? "" : ` Still paused on their own: ${others.join(", ")}.`}`,
    );
    return EXIT.ok;
  });
}

async function stillPaused(instance: OpenInstance, data: string, now: number): Promise<string[]> {
  const targets = configOf(instance, data).targets;
  const controls = await Promise.all(
    targets.map(async ({ id }) => ({ id, control: await instance.state.readControl(id) })),
  );
  return controls.filter(({ control }) => isPaused(control, now)).map(({ id }) => id);
}

/** Says yes or no to an attempt that waits for a person, or that one has taken an incident on. */
export async function answer(
  terminal: Terminal,
  options: { data: string; json: boolean; word: "approve" | "deny" | "acknowledge"; id: string; by: string },
): Promise<ExitCode> {
  return withInstance(options.data, async (instance) => {
    const { publish, state } = instance;
    if (publish === undefined)
      throw new CommandFailed(
        EXIT.failed,
        "nothing runs there, so nobody would act on it: start it with `neuropilot up` first",
      );
    const now = terminal.now();
    for (const target of configOf(instance, options.data).targets) {
      const { incident } = await state.readTarget(target.id, now);
      const attempt = incident?.attempts.find((candidate) => candidate.id === options.id);
      if (incident === undefined || (incident.id !== options.id && attempt === undefined)) continue;
      if (options.word !== "acknowledge" && attempt?.state !== "proposed")
        throw new CommandFailed(
          EXIT.no,
          `${options.id} does not wait for a word${attempt === undefined ? "" : `: it is ${attempt.state}`}`,
        );
      const report = await publish([
        operatorSaid.entry({
          v: 1,
          id: `evt_${options.word}_${options.id}_${now}`,
          at: now,
          target: target.id,
          cause: "cli",
          hops: 0,
          word: options.word,
          by: options.by,
          ...(attempt === undefined ? { incident: incident.id } : { attempt: attempt.id }),
        }),
      ]);
      if (report.failed.length > 0)
        throw new CommandFailed(EXIT.failed, `the bus refused it: ${report.failed[0]?.reason ?? ""}`);
      terminal.out(
        options.json
          ? JSON.stringify({ word: options.word, id: options.id })
          : `Said ${options.word} to ${options.id}. \`neuropilot incidents ${incident.id}\` shows what follows.`,
      );
      return EXIT.ok;
    }
    throw new CommandFailed(
      EXIT.usage,
      `"${options.id}" is neither an open incident nor an attempt in one: \`neuropilot incidents\` lists them`,
    );
  });
}

/** Hurries those who read the control item; they would read it anyway before any call. */
async function wake(
  instance: OpenInstance,
  options: ControlOptions,
  word: "pause" | "resume",
  now: number,
): Promise<void> {
  if (instance.publish === undefined) return;
  const targets = configOf(instance, options.data).targets.filter(
    (target) => options.target === undefined || target.id === options.target,
  );
  await instance.publish(
    targets.map((target) =>
      operatorSaid.entry({
        v: 1,
        id: `evt_${word}_${target.id}_${now}`,
        at: now,
        target: target.id,
        cause: "cli",
        hops: 0,
        word,
        by: options.by,
      }),
    ),
  );
}
