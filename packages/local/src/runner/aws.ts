import { devNull } from "node:os";

type Environment = Readonly<Record<string, string | undefined>>;

/** Whom the SDK's clients are on this machine. */
export interface AwsIdentity {
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

/** The SDK signs every request; our own servers do not look at it. */
const LOCAL: AwsIdentity = { region: "us-east-1", accessKeyId: "local", secretAccessKey: "local" };

/**
 * The identity for the table. Our own server gets a made-up one, whatever the user is on AWS; another server gets the user's
 * keys and region where the environment has them: DynamoDB Local keeps a database for each, DynamoDB itself demands them.
 */
export function awsIdentity(environment: Environment, table: { readonly own: boolean }): AwsIdentity {
  if (table.own) return LOCAL;
  const region = filled(environment.AWS_REGION) ?? filled(environment.AWS_DEFAULT_REGION) ?? LOCAL.region;
  const accessKeyId = filled(environment.AWS_ACCESS_KEY_ID);
  const secretAccessKey = filled(environment.AWS_SECRET_ACCESS_KEY);
  if (accessKeyId === undefined || secretAccessKey === undefined) return { ...LOCAL, region };
  const sessionToken = filled(environment.AWS_SESSION_TOKEN);
  return { region, accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
}

/**
 * Everything that the functions' clients read, and nothing of the user's AWS setup: a profile would win over these keys, and
 * FIPS endpoints, dual stack or a file's `endpoint_url` would break the calls or lead them to AWS.
 * https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html
 */
export function awsEnvironment(identity: AwsIdentity, tableEndpoint: string): Record<string, string> {
  return {
    AWS_REGION: identity.region,
    AWS_ACCESS_KEY_ID: identity.accessKeyId,
    AWS_SECRET_ACCESS_KEY: identity.secretAccessKey,
    ...(identity.sessionToken === undefined ? {} : { AWS_SESSION_TOKEN: identity.sessionToken }),
    AWS_CONFIG_FILE: devNull,
    AWS_SHARED_CREDENTIALS_FILE: devNull,
    AWS_EC2_METADATA_DISABLED: "true",
    AWS_ENDPOINT_URL_DYNAMODB: tableEndpoint,
  };
}

/** The same for a client in this process, which sees the user's environment: each setting that it would look up there is given. */
export function awsClient(identity: AwsIdentity, endpoint: string) {
  const { region, ...credentials } = identity;
  return {
    endpoint,
    region,
    credentials,
    maxAttempts: 3,
    retryMode: "standard",
    defaultsMode: "standard",
    useFipsEndpoint: false,
    useDualstackEndpoint: false,
  } as const;
}

function filled(value: string | undefined): string | undefined {
  return value === "" ? undefined : value;
}
