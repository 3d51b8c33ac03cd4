/** What a Railway service of this size may use: beyond it, the platform would kill the process. */
const MEMORY_LIMIT_BYTES = 256 * 1024 * 1024;
/** CPU is measured over at least this long, so that two questions in a row do not measure each other. */
const CPU_WINDOW_MS = 1_000;
const COUNTED = ["2xx", "3xx", "4xx", "5xx"] as const;

export interface Health {
  readonly status: "ok";
  readonly service: "demo-inventory";
  readonly version: string;
  readonly pid: number;
  readonly uptimeSeconds: number;
  readonly memory: { readonly rssBytes: number; readonly limitBytes: number; readonly usedPct: number };
  /** Of one core, since the last question at least a second before. */
  readonly cpu: { readonly usedPct: number };
  /** The demo has no database: a made-up replica whose lag goes up and down, well below any threshold. */
  readonly database: { readonly lagMs: number };
  /** Requests that wait for their answer. */
  readonly queue: { readonly depth: number };
}

export interface Vitals {
  began(): void;
  ended(status: number, seconds: number): void;
  /** A request whose client went away before an answer. */
  abandoned(): void;
  health(): Health;
  /** The same figures in Prometheus' text format: https://prometheus.io/docs/instrumenting/exposition_formats/ */
  metrics(): string;
}

/** `monotonic` is in milliseconds. */
export function createVitals(version: string, monotonic: () => number): Vitals {
  const startedAt = monotonic();
  const counts = { "2xx": 0, "3xx": 0, "4xx": 0, "5xx": 0 };
  let depth = 0;
  let answered = 0;
  let answerSeconds = 0;
  let cpuAt = startedAt;
  let cpuBefore = process.cpuUsage();
  let cpuPct = 0;

  const health = (): Health => {
    const now = monotonic();
    if (now - cpuAt >= CPU_WINDOW_MS) {
      const used = process.cpuUsage(cpuBefore);
      cpuPct = (used.user + used.system) / 10 / (now - cpuAt);
      cpuAt = now;
      cpuBefore = process.cpuUsage();
    }
    const rssBytes = process.memoryUsage.rss();
    const uptimeSeconds = (now - startedAt) / 1_000;
    return {
      status: "ok",
      service: "demo-inventory",
      version,
      pid: process.pid,
      uptimeSeconds: rounded(uptimeSeconds),
      memory: {
        rssBytes,
        limitBytes: MEMORY_LIMIT_BYTES,
        usedPct: rounded((rssBytes / MEMORY_LIMIT_BYTES) * 100),
      },
      cpu: { usedPct: rounded(cpuPct) },
      database: { lagMs: Math.round(40 + 25 * Math.sin(uptimeSeconds / 20)) },
      queue: { depth },
    };
  };

  return {
    began() {
      depth++;
    },
    ended(status, seconds) {
      depth--;
      answered++;
      answerSeconds += seconds;
      const family = COUNTED[Math.floor(status / 100) - 2];
      if (family !== undefined) counts[family]++;
    },
    abandoned() {
      depth--;
    },
    health,
    metrics() {
      const { uptimeSeconds, memory, cpu, database, queue } = health();
      const lines: string[] = [];
      const metric = (name: string, type: "counter" | "gauge" | "summary", help: string, ...values: string[]): void => {
        lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...values);
      };
      metric("demo_build_info", "gauge", "The version that runs.", `demo_build_info{version="${version}"} 1`);
      metric(
        "demo_http_requests_total",
        "counter",
        "Answered requests by kind of status.",
        ...COUNTED.map((family) => `demo_http_requests_total{status="${family}"} ${counts[family]}`),
      );
      metric(
        "demo_http_request_duration_seconds",
        "summary",
        "Time from a request to the end of its answer.",
        `demo_http_request_duration_seconds_sum ${answerSeconds.toFixed(6)}`,
        `demo_http_request_duration_seconds_count ${answered}`,
      );
      metric(
        "demo_uptime_seconds",
        "gauge",
        "Seconds since this process started.",
        `demo_uptime_seconds ${uptimeSeconds}`,
      );
      metric(
        "process_resident_memory_bytes",
        "gauge",
        "Resident memory.",
        `process_resident_memory_bytes ${memory.rssBytes}`,
      );
      metric(
        "demo_memory_limit_bytes",
        "gauge",
        "Memory that this service may use.",
        `demo_memory_limit_bytes ${memory.limitBytes}`,
      );
      metric("demo_cpu_used_ratio", "gauge", "Share of one core in use.", `demo_cpu_used_ratio ${cpu.usedPct / 100}`);
      metric(
        "demo_database_lag_seconds",
        "gauge",
        "Lag of the made-up replica.",
        `demo_database_lag_seconds ${database.lagMs / 1_000}`,
      );
      metric("demo_queue_depth", "gauge", "Requests that wait for their answer.", `demo_queue_depth ${queue.depth}`);
      return `${lines.join("\n")}\n`;
    },
  };
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}
