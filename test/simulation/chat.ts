import type { ChatFound, ChatMessage, ChatOutcome, ChatProvider, ChatReply } from "@neuropilot/providers";
import type { Engine, Invocation, Span } from "./engine.ts";
import type { Hazards } from "./hazards.ts";
import { MINUTE } from "./plan.ts";

interface Message {
  readonly id: string;
  readonly key: string;
  threadSeq: number;
}

/** One message or reply as it arrived: what people read. */
export interface Heard {
  readonly at: number;
  readonly channel: string;
  readonly incident: string;
  readonly kind: "post" | "update" | "reply";
  readonly text: string;
  /** Of a reply: the last timeline entry in it. */
  readonly seq?: number;
}

/** A channel's server: what was posted is there, answers may be lost on the way, and now and then it is down. */
export class Channel {
  readonly name: string;
  readonly canUpdate: boolean;
  readonly heard: Heard[] = [];
  readonly #lost = new Map<string, number>();
  readonly #runs = new Map<string, Set<Invocation>>();
  readonly #engine: Engine;
  readonly #hazards: Hazards;
  readonly #down: readonly Span[];
  readonly #newId: (prefix: string) => string;
  readonly #messages: Message[] = [];

  constructor(
    name: string,
    parts: {
      readonly engine: Engine;
      readonly hazards: Hazards;
      readonly down: readonly Span[];
      readonly newId: (prefix: string) => string;
    },
  ) {
    this.name = name;
    // A webhook's messages cannot be changed or looked up.
    this.canUpdate = name !== "hook";
    this.#engine = parts.engine;
    this.#hazards = parts.hazards;
    this.#down = parts.down;
    this.#newId = parts.newId;
  }

  /**
   * How often something may have been said again about an incident. Where messages can be looked for, only by a run that stood
   * still between its last look at the clock and the send; where they cannot, also after a lost answer, and by a run that was
   * cut off or could not write down what it had sent.
   */
  doubtsOf(incident: string): number {
    const runs = [...(this.#runs.get(incident) ?? [])];
    if (this.canUpdate) return runs.filter(({ stoodStill }) => stoodStill).length;
    return (this.#lost.get(incident) ?? 0) + runs.filter(({ disturbed }) => disturbed).length;
  }

  /** Whether it was down at some moment of a stretch of time. */
  isDown(from = this.#engine.now, to = from): boolean {
    return this.#down.some((span) => span.from <= to && from < span.to);
  }

  provider(invocation: Invocation): ChatProvider {
    const send = (incident: string, arrive: () => Message): Promise<ChatOutcome> => {
      this.#runs.set(incident, (this.#runs.get(incident) ?? new Set()).add(invocation));
      return invocation.through(() => this.#send(incident, arrive));
    };
    return {
      canUpdate: this.canUpdate,
      post: (message) => send(message.key, () => this.#post(message)),
      update: (_channel, id, message) => send(message.key, () => this.#update(id, message)),
      reply: (_channel, id, reply) => send(reply.key, () => this.#reply(id, reply)),
      find: ({ key, known }) => invocation.through(async () => this.#find(key, known?.messageId)),
    };
  }

  async #send(incident: string, arrive: () => Message): Promise<ChatOutcome> {
    await this.#takes();
    if (this.isDown() || this.#hazards.happens("chat-refuses", `429 from ${this.name} about ${incident}`))
      return { kind: "retry-later", afterMs: 30_000, detail: "429" };
    const lost = this.#hazards.maybe("chat-loses-answer", (chance) => {
      const arrives = chance.happens(0.5);
      return {
        value: { arrives },
        text: `${this.name} times out about ${incident}; it ${arrives ? "arrived" : "did not arrive"}`,
      };
    });
    if (lost !== undefined) this.#lost.set(incident, (this.#lost.get(incident) ?? 0) + 1);
    if (lost?.arrives === false) return { kind: "unknown", detail: "timeout" };
    const message = arrive();
    return lost === undefined
      ? { kind: "sent", channel: "C1", messageId: message.id }
      : { kind: "unknown", detail: "timeout" };
  }

  #post({ key, text }: ChatMessage): Message {
    const message = { id: this.#newId("ts_"), key, threadSeq: 0 };
    this.#messages.push(message);
    this.#hear(key, "post", text);
    return message;
  }

  #update(id: string, { key, text }: ChatMessage): Message {
    this.#hear(key, "update", text);
    return this.#message(id, key);
  }

  #reply(id: string, { key, text, seq }: ChatReply): Message {
    const message = this.#message(id, key);
    message.threadSeq = Math.max(message.threadSeq, seq);
    this.#hear(key, "reply", text, seq);
    return message;
  }

  #message(id: string, key: string): Message {
    return this.#messages.find((message) => message.id === id) ?? { id, key, threadSeq: 0 };
  }

  #hear(incident: string, kind: Heard["kind"], text: string, seq?: number): void {
    const entry = { at: this.#engine.now, channel: this.name, incident, kind, text };
    this.heard.push(seq === undefined ? entry : { ...entry, seq });
  }

  async #find(key: string, known: string | undefined): Promise<ChatFound> {
    await this.#takes();
    if (!this.canUpdate) return { kind: "cannot-look", detail: "a webhook cannot be read" };
    if (this.isDown()) return { kind: "retry-later", afterMs: MINUTE, detail: "503" };
    const message = this.#messages.find(({ id, ...rest }) => (known === undefined ? rest.key === key : id === known));
    return message === undefined
      ? { kind: "absent" }
      : { kind: "found", channel: "C1", messageId: message.id, threadSeq: message.threadSeq };
  }

  #takes(): Promise<void> {
    return this.#engine.sleep(this.#hazards.timing.between(50, 500));
  }
}
