import { setTimeout as delay } from "node:timers/promises";
import {
  buildSchema,
  type DocumentNode,
  execute,
  GraphQLError,
  Kind,
  OperationTypeNode,
  parse,
  validate,
} from "graphql";
import { jsonAnswer, type StandInReply, type StandInRequest, startStandInServer } from "../server.ts";
import { effectOf, type FaultEffect, graphqlErrors, NO_FAULT, type RailwayFault } from "./faults.ts";
import { createRateLimit } from "./rate-limit.ts";
import { RAILWAY_SCHEMA } from "./schema.ts";
import {
  createWorld,
  type Deployment,
  type DeploymentSeed,
  type RailwayService,
  type RestartRecord,
  type World,
} from "./world.ts";

export interface RailwayStandInOptions {
  /** 0, the default, takes any free port. */
  readonly port?: number;
  readonly projectId: string;
  readonly environmentId: string;
  readonly token: string;
  readonly tokenKind: "project" | "account";
  readonly services: readonly RailwayService[];
  /** From the acceptance of a restart to the end of it, if the service itself is not slower. 2 s. */
  readonly restartTakesMs?: number;
  /** How long every answer takes. 30 ms. */
  readonly answerTakesMs?: number;
  /** As the Pro plan has it: 10 000 an hour, 50 a second. */
  readonly limits?: { readonly perHour: number; readonly perSecond: number };
  readonly log?: (line: string) => void;
}

/** Where a drill takes hold of a call; each is awaited. They may be set and changed at any time. */
export interface RailwayHooks {
  /** A call has arrived, and nothing has been made of it yet. */
  onCall?: ((operation: string) => void | Promise<void>) | undefined;
  /** The work is done, and not answered yet. */
  onExecuted?: ((operation: string) => void | Promise<void>) | undefined;
}

export interface RailwayCall {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** The root field: `serviceInstance`, `deploymentRestart`, `deployment` … */
  readonly operation: string;
  /** Whether it asked to change something. */
  readonly mutates: boolean;
  readonly variables: Readonly<Record<string, unknown>>;
}

export interface RailwayStandIn {
  readonly url: string;
  /** Every operation that arrived, also those that were refused or failed. */
  readonly calls: readonly RailwayCall[];
  /** Every restart that was accepted. */
  readonly restarts: readonly RestartRecord[];
  /** Fails as told until told otherwise; `undefined` works again. */
  fail(fault: RailwayFault | undefined): void;
  /** Replaces a service's deployments, newest first, and returns their ids. */
  setDeployments(serviceId: string, deployments: readonly DeploymentSeed[]): readonly string[];
  readonly hooks: RailwayHooks;
  close(): Promise<void>;
}

const schema = buildSchema(RAILWAY_SCHEMA);

/** Railway's GraphQL API on 127.0.0.1: refuses what the vendor's schema refuses, and restarts the services for real. */
export async function startRailway(options: RailwayStandInOptions): Promise<RailwayStandIn> {
  const log = options.log ?? (() => undefined);
  const world = createWorld({ ...options, restartTakesMs: options.restartTakesMs ?? 2_000, log });
  const limit = createRateLimit(options.limits ?? { perHour: 10_000, perSecond: 50 });
  const calls: RailwayCall[] = [];
  const hooks: RailwayHooks = {};
  let fault: RailwayFault | undefined;
  let faultLeft = Number.POSITIVE_INFINITY;

  const takeFault = (operation: string): FaultEffect => {
    if (fault === undefined || faultLeft <= 0) return NO_FAULT;
    const effect = effectOf(fault, operation);
    if (effect !== NO_FAULT) faultLeft -= 1;
    return effect;
  };

  const answer = async (request: StandInRequest): Promise<StandInReply> => {
    await delay(options.answerTakesMs ?? 30);
    const read = readOperation(request);
    if ("refusal" in read) return read.refusal;
    const { document, variables, operation, mutates } = read;
    calls.push({ at: Date.now(), operation, mutates, variables });
    log(`railway: ${operation}`);
    await hooks.onCall?.(operation);
    const effect = takeFault(operation);
    if (effect.instead !== undefined) return effect.instead;
    const refusal = refuse(options, request, document, variables);
    if (refusal !== undefined) return refusal;
    const result = await execute({
      schema,
      document,
      rootValue: resolvers(options, world, effect),
      variableValues: variables,
    });
    if (result.errors === undefined) await hooks.onExecuted?.(operation);
    // Without data nothing was executed (a variable of the wrong type), which is the request's fault.
    const status = result.data === undefined ? 400 : 200;
    if (effect.after === "hang" || effect.after === "destroy") return { kind: effect.after };
    return { kind: effect.after, answer: jsonAnswer(status, result) };
  };

  const handle = async (request: StandInRequest): Promise<StandInReply> => {
    const taken = limit.take();
    const reply = taken.allowed
      ? await answer(request)
      : ({ kind: "answer", answer: jsonAnswer(429, { data: null }, { "retry-after": taken.retryAfter }) } as const);
    if (reply.kind !== "answer" && reply.kind !== "cut") return reply;
    return { ...reply, answer: { ...reply.answer, headers: { ...taken.headers, ...reply.answer.headers } } };
  };

  const server = await startStandInServer({ name: "Railway", port: options.port ?? 0, handle, log });
  return {
    url: server.url,
    calls,
    restarts: world.restarts,
    fail(next) {
      fault = next;
      faultLeft = next?.times ?? Number.POSITIVE_INFINITY;
    },
    setDeployments: (serviceId, seeds) => world.setDeployments(serviceId, seeds),
    hooks,
    async close() {
      await server.close();
      await world.close();
    },
  };
}

interface Operation {
  readonly document: DocumentNode;
  readonly variables: Readonly<Record<string, unknown>>;
  readonly operation: string;
  readonly mutates: boolean;
}

function readOperation(request: StandInRequest): Operation | { readonly refusal: StandInReply } {
  const refusal = (status: number, message: string) => ({
    refusal: { kind: "answer" as const, answer: jsonAnswer(status, { errors: [{ message }] }) },
  });
  if (request.path !== "/graphql/v2") return refusal(404, `no such path: ${request.path}`);
  if (request.method !== "POST") return refusal(405, `${request.method} is not allowed`);
  if (!/^application\/json(;|$)/i.test(request.headers["content-type"] ?? ""))
    return refusal(415, "the content type must be application/json");
  const body = readJson(request.body);
  if (!isRecord(body)) return refusal(400, "the body must be a JSON object");
  const unknown = Object.keys(body).filter((key) => !["query", "variables", "operationName"].includes(key));
  if (unknown.length > 0) return refusal(400, `the body has unknown members: ${unknown.join(", ")}`);
  if (typeof body.query !== "string") return refusal(400, "query must be a string");
  const variables = body.variables ?? {};
  if (!isRecord(variables)) return refusal(400, "variables must be an object");
  let document: DocumentNode;
  try {
    document = parse(body.query, { maxTokens: 1_000 });
  } catch (error) {
    return refusal(400, error instanceof Error ? error.message : String(error));
  }
  const [definition, ...further] = document.definitions.filter((each) => each.kind === Kind.OPERATION_DEFINITION);
  const [root, ...others] = definition?.selectionSet.selections ?? [];
  if (definition === undefined || further.length > 0 || root?.kind !== Kind.FIELD || others.length > 0)
    return refusal(400, "this stand-in takes one operation with one root field at a time");
  return {
    document,
    variables,
    operation: root.name.value,
    mutates: definition.operation === OperationTypeNode.MUTATION,
  };
}

/** Credentials first, then the schema, as a server does it. */
function refuse(
  options: RailwayStandInOptions,
  request: StandInRequest,
  document: DocumentNode,
  variables: Readonly<Record<string, unknown>>,
): StandInReply | undefined {
  if (options.tokenKind === "project") {
    const given = request.headers["project-access-token"];
    if (given === undefined) return graphqlErrors("Not Authorized");
    if (given !== options.token) return graphqlErrors("Project Token not found");
  } else if (request.headers.authorization !== `Bearer ${options.token}`) return graphqlErrors("Not Authorized");
  const messages = validate(schema, document).map((error) => error.message);
  const declared = new Set(
    document.definitions.flatMap((definition) =>
      definition.kind === Kind.OPERATION_DEFINITION
        ? (definition.variableDefinitions ?? []).map((variable) => variable.variable.name.value)
        : [],
    ),
  );
  for (const name of Object.keys(variables))
    if (!declared.has(name)) messages.push(`Variable "$${name}" is given and not declared.`);
  if (messages.length === 0) return undefined;
  const errors = messages.map((message) => ({ message, extensions: { code: "GRAPHQL_VALIDATION_FAILED" } }));
  return { kind: "answer", answer: jsonAnswer(400, { errors }) };
}

function resolvers(options: RailwayStandInOptions, world: World, effect: FaultEffect) {
  const find = (id: string): Deployment => {
    const deployment = world.find(id);
    if (deployment === undefined) throw new GraphQLError("Deployment not found");
    return deployment;
  };
  const inside = (environmentId: string | null | undefined) => {
    if (environmentId !== options.environmentId)
      throw new GraphQLError(options.tokenKind === "project" ? "Not Authorized" : "Environment not found");
  };
  return {
    projectToken: () => {
      if (options.tokenKind !== "project") throw new GraphQLError("Project Token not found");
      return { id: "token", projectId: options.projectId, environmentId: options.environmentId };
    },
    deployment: ({ id }: { id: string }) => shown(find(id)),
    deployments: ({ first, input }: { first?: number | null; input: DeploymentListInput }) => {
      inside(input.environmentId);
      const nodes = world
        .all()
        .filter(
          (deployment) =>
            (input.projectId ?? deployment.projectId) === deployment.projectId &&
            (input.serviceId ?? deployment.serviceId) === deployment.serviceId &&
            (input.status?.in?.includes(deployment.status) ?? true) &&
            !(input.status?.notIn?.includes(deployment.status) ?? false),
        );
      const shownNodes = nodes.slice(0, first ?? nodes.length);
      return {
        edges: shownNodes.map((deployment) => ({ cursor: deployment.id, node: shown(deployment) })),
        pageInfo: {
          startCursor: shownNodes[0]?.id ?? null,
          endCursor: shownNodes.at(-1)?.id ?? null,
          hasNextPage: shownNodes.length < nodes.length,
          hasPreviousPage: false,
        },
      };
    },
    serviceInstance: ({ environmentId, serviceId }: { environmentId: string; serviceId: string }) => {
      inside(environmentId);
      const deployments = world.deploymentsOf(serviceId);
      if (deployments === undefined) throw new GraphQLError("ServiceInstance not found");
      const [latest] = deployments;
      return {
        id: `${serviceId}:${environmentId}`,
        serviceId,
        environmentId,
        activeDeployments: deployments.filter((deployment) => deployment.active).map(shown),
        latestDeployment: latest === undefined ? null : shown(latest),
      };
    },
    deploymentRestart: ({ id }: { id: string }) => {
      const deployment = find(id);
      if (effect.ending === "refused") return false;
      if (!["SUCCESS", "CRASHED", "SLEEPING"].includes(deployment.status))
        throw new GraphQLError(`Cannot restart a deployment that is ${deployment.status}`);
      world.acceptRestart(deployment, effect.ending);
      return true;
    },
    deploymentRollback: ({ id }: { id: string }) => {
      // No deployment here keeps its image, so each answers `canRollback: false`.
      throw new GraphQLError(`Deployment ${find(id).id} cannot be rolled back`);
    },
  };
}

interface DeploymentListInput {
  readonly environmentId?: string | null;
  readonly projectId?: string | null;
  readonly serviceId?: string | null;
  readonly status?: { readonly in?: readonly string[] | null; readonly notIn?: readonly string[] | null } | null;
}

function shown(deployment: Deployment) {
  const time = (ms: number) => new Date(ms).toISOString();
  return {
    ...deployment,
    createdAt: time(deployment.createdAt),
    statusUpdatedAt: time(deployment.statusUpdatedAt),
    updatedAt: time(deployment.statusUpdatedAt),
    canRedeploy: deployment.status !== "REMOVED",
    canRollback: false,
  };
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
