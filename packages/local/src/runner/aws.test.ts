import { DynamoDBClient, ListTablesCommand } from "@aws-sdk/client-dynamodb";
import { afterEach, describe, expect, test, vi } from "vitest";
import { awsClient, awsEnvironment, awsIdentity } from "./aws.ts";

const USER = {
  AWS_PROFILE: "production",
  AWS_REGION: "eu-west-1",
  AWS_ACCESS_KEY_ID: "AKIAREAL",
  AWS_SECRET_ACCESS_KEY: "real",
  AWS_SESSION_TOKEN: "token",
  AWS_ENDPOINT_URL: "https://dynamodb.eu-west-1.amazonaws.com",
};

describe("awsIdentity", () => {
  test("our own table never sees the user's keys", () => {
    expect(awsIdentity(USER, { own: true })).toEqual({
      region: "us-east-1",
      accessKeyId: "local",
      secretAccessKey: "local",
    });
  });

  test.each([
    [
      "with keys",
      USER,
      { region: "eu-west-1", accessKeyId: "AKIAREAL", secretAccessKey: "real", sessionToken: "token" },
    ],
    [
      "with half of the keys",
      { AWS_ACCESS_KEY_ID: "AKIAREAL" },
      { region: "us-east-1", accessKeyId: "local", secretAccessKey: "local" },
    ],
    [
      "with empty variables",
      { AWS_REGION: "", AWS_ACCESS_KEY_ID: "", AWS_SECRET_ACCESS_KEY: "" },
      { region: "us-east-1", accessKeyId: "local", secretAccessKey: "local" },
    ],
    [
      "with the older name of the region",
      { AWS_DEFAULT_REGION: "eu-north-1" },
      { region: "eu-north-1", accessKeyId: "local", secretAccessKey: "local" },
    ],
  ])("another server's table gets what the environment has, %s", (_, environment, identity) => {
    expect(awsIdentity(environment, { own: false })).toEqual(identity);
  });
});

describe("awsEnvironment", () => {
  test("holds no setting of the user's, and no file that could bring one", () => {
    const environment = awsEnvironment(awsIdentity(USER, { own: true }), "http://127.0.0.1:1");
    expect(environment).toMatchObject({ AWS_ACCESS_KEY_ID: "local", AWS_ENDPOINT_URL_DYNAMODB: "http://127.0.0.1:1" });
    expect(Object.keys(environment)).not.toEqual(expect.arrayContaining(["AWS_PROFILE"]));
    expect(environment.AWS_CONFIG_FILE).not.toContain(".aws");
    expect(environment.AWS_SHARED_CREDENTIALS_FILE).not.toContain(".aws");
    expect(JSON.stringify(environment)).not.toMatch(/real|token|amazonaws|production/i);
  });
});

describe("awsClient", () => {
  afterEach(() => {
    vi.unstubAllEnvs();
  });

  test.each([
    ["AWS_PROFILE", "no-such-profile"],
    ["AWS_ENDPOINT_URL", "https://dynamodb.eu-west-1.amazonaws.com"],
    ["AWS_ENDPOINT_URL_DYNAMODB", "https://dynamodb.eu-west-1.amazonaws.com"],
    ["AWS_USE_FIPS_ENDPOINT", "true"],
    ["AWS_USE_DUALSTACK_ENDPOINT", "true"],
    ["AWS_RETRY_MODE", "nonsense"],
    ["AWS_MAX_ATTEMPTS", "nonsense"],
    ["AWS_DEFAULTS_MODE", "nonsense"],
    ["AWS_ACCOUNT_ID_ENDPOINT_MODE", "required"],
    ["AWS_CONFIG_FILE", "/no/such/file"],
  ])("asks the server on this machine whatever %s says", async (name, value) => {
    vi.stubEnv(name, value);
    const asked: unknown[] = [];
    const client = new DynamoDBClient({
      ...awsClient(awsIdentity({}, { own: true }), "http://127.0.0.1:65000"),
      maxAttempts: 1,
      requestHandler: {
        async handle(request: unknown) {
          asked.push(request);
          throw new Error("seen");
        },
      },
    });
    await expect(client.send(new ListTablesCommand({}))).rejects.toThrow("seen");
    client.destroy();
    expect(asked).toMatchObject([{ hostname: "127.0.0.1", port: 65_000 }]);
  });
});
