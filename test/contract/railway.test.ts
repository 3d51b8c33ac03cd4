import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { RAILWAY_SCHEMA } from "@neuropilot/local";
import { RAILWAY_DEPLOYMENT_STATUSES, RAILWAY_DOCUMENTS, RAILWAY_INSTANCE_STATUSES } from "@neuropilot/providers";
import {
  buildSchema,
  type GraphQLArgument,
  type GraphQLInputField,
  type GraphQLSchema,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isObjectType,
  isRequiredArgument,
  isRequiredInputField,
  isSpecifiedScalarType,
  NoDeprecatedCustomRule,
  parse,
  specifiedRules,
  validate,
} from "graphql";
import { describe, expect, it } from "vitest";

/** A folder with the vendors' own published schemas; the excerpt stands alone where it is not at hand. */
const specs = process.env.NEUROPILOT_SPECS;
if (specs === undefined)
  console.warn("Railway's whole schema is not compared: set NEUROPILOT_SPECS to a folder that holds railway.graphql");

const excerpt = buildSchema(RAILWAY_SCHEMA);

/** The vendor's schema. Names of its own server's directives are not ours to judge, so it is taken as valid. */
function vendorSchema(folder: string): GraphQLSchema {
  const file = join(folder, "railway.graphql");
  if (!existsSync(file)) throw new Error(`NEUROPILOT_SPECS is ${folder}, which holds no railway.graphql`);
  return buildSchema(readFileSync(file, "utf8"), { assumeValid: true });
}

/** What the part says that the whole does not, and what the whole demands that the part does not know. */
function differences(part: GraphQLSchema, whole: GraphQLSchema): string[] {
  const found: string[] = [];
  for (const type of Object.values(part.getTypeMap())) {
    if (type.name.startsWith("__") || isSpecifiedScalarType(type)) continue;
    const theirs = whole.getType(type.name);
    if (theirs === undefined || theirs.constructor !== type.constructor) {
      found.push(`${type.name}: ${theirs === undefined ? "does not exist" : "is of another kind"}`);
      continue;
    }
    if (isEnumType(type) && isEnumType(theirs)) {
      const [mine, all] = [type, theirs].map((each) =>
        each
          .getValues()
          .map((value) => value.name)
          .sort()
          .join(" "),
      );
      if (mine !== all) found.push(`${type.name}: ${mine} is not ${all}`);
    }
    if (isInputObjectType(type) && isInputObjectType(theirs))
      found.push(...inputDifferences(type.name, Object.values(type.getFields()), Object.values(theirs.getFields())));
    if ((isObjectType(type) || isInterfaceType(type)) && (isObjectType(theirs) || isInterfaceType(theirs))) {
      for (const face of type.getInterfaces())
        if (!theirs.getInterfaces().some((other) => other.name === face.name))
          found.push(`${type.name}: does not implement ${face.name}`);
      for (const field of Object.values(type.getFields())) {
        const other = theirs.getFields()[field.name];
        const path = `${type.name}.${field.name}`;
        if (other === undefined) found.push(`${path}: does not exist`);
        else if (String(other.type) !== String(field.type)) found.push(`${path}: is ${other.type}, not ${field.type}`);
        else found.push(...inputDifferences(path, field.args, other.args));
      }
    }
  }
  return found;
}

function inputDifferences(
  path: string,
  mine: readonly (GraphQLArgument | GraphQLInputField)[],
  theirs: readonly (GraphQLArgument | GraphQLInputField)[],
): string[] {
  const wrong = mine.flatMap((input) => {
    const other = theirs.find((candidate) => candidate.name === input.name);
    if (other === undefined) return [`${path}(${input.name}): does not exist`];
    const same = String(other.type) === String(input.type) && other.defaultValue === input.defaultValue;
    return same ? [] : [`${path}(${input.name}): is ${other.type}, not ${input.type}`];
  });
  const missing = theirs
    .filter(isRequired)
    .filter((input) => !mine.some((candidate) => candidate.name === input.name))
    .map((input) => `${path}(${input.name}): is demanded and not in the excerpt`);
  return [...wrong, ...missing];
}

/** Arguments and input fields are alike in what makes one required. */
function isRequired(input: GraphQLArgument | GraphQLInputField): boolean {
  return isRequiredArgument(input) || isRequiredInputField(input);
}

const documents = Object.entries(RAILWAY_DOCUMENTS);

describe("what is sent to Railway", () => {
  it("is some operation at all", () => {
    expect(documents.length).toBeGreaterThan(0);
  });

  it.each(documents)("%s is valid in the excerpt that the stand-in executes", (_name, document) => {
    expect(validate(excerpt, parse(document)).map(String)).toEqual([]);
  });

  it.each(documents)("%s never redeploys", (_name, document) => {
    expect(document).not.toMatch(/redeploy/i);
  });

  it.skipIf(specs === undefined).each(documents)(
    "%s is valid in the vendor's whole schema, and not deprecated",
    (_name, document) => {
      const schema = vendorSchema(specs ?? "");
      expect(validate(schema, parse(document), [...specifiedRules, NoDeprecatedCustomRule]).map(String)).toEqual([]);
    },
  );
});

describe("the excerpt of Railway's schema", () => {
  it.skipIf(specs === undefined)("says of each type, field, argument and value what the vendor says", () => {
    expect(differences(excerpt, vendorSchema(specs ?? ""))).toEqual([]);
  });

  it.each([
    ["DeploymentStatus", RAILWAY_DEPLOYMENT_STATUSES],
    ["DeploymentInstanceStatus", RAILWAY_INSTANCE_STATUSES],
  ])("%s has the values for which the provider has a meaning", (name, values) => {
    const type = excerpt.getType(name);
    expect(
      isEnumType(type) &&
        type
          .getValues()
          .map((value) => value.name)
          .sort(),
    ).toEqual([...values].sort());
  });

  it.each([
    ["a field", "deploymentRestart(id: String!): Boolean!", "deploymentRestart(id: String!): Deployment!"],
    ["an argument's type", "deploymentRestart(id: String!)", "deploymentRestart(id: ID!)"],
    ["an argument's name", "deploymentRestart(id: String!)", "deploymentRestart(deployment: String!)"],
    [
      "a further argument that is demanded",
      "deploymentRestart(id: String!)",
      "deploymentRestart(id: String!, by: String!)",
    ],
    ["a field's name", "latestDeployment: Deployment", "newestDeployment: Deployment"],
    ["a value that is gone", "  WAITING\n", ""],
    ["a value that is new", "  WAITING\n", "  WAITING\n  PAUSED\n"],
    ["an input's field", "notIn: [DeploymentStatus!]", "notIn: [DeploymentStatus]"],
    ["an input's field that is demanded", "includeDeleted: Boolean", "includeDeleted: Boolean\n  owner: String!"],
    ["a type's kind", "interface Node {", "type Node {"],
    ["a type's name", "ProjectToken", "EnvironmentToken"],
  ])("would be seen to differ in %s", (_name, from, to) => {
    const changed = RAILWAY_SCHEMA.replaceAll(from, to);
    expect(changed).not.toBe(RAILWAY_SCHEMA);
    expect(differences(excerpt, buildSchema(changed, { assumeValid: true }))).not.toEqual([]);
  });
});
