// TUF metadata as this repository writes it (TUF specification 1.0.31 §4.2–4.7), with consistent snapshots. The schemas
// are the border: what lies on disk, or comes back from a key holder's machine, is read through them.

import { err, failure, nameSchema, ok, parseJson, type Result } from '@skerry/shared';
import { instantMs, instantOf, keyIdOf, publicKeySchema } from '@skerry/shared/node';
import { canonicalize } from '@tufjs/canonical-json';
import { z } from 'zod';

const specVersion = '1.0.31';

/** What a client reads at most (tuf-js’s defaults), so nothing is published that no client takes. */
export const metadataBytesMax = {
  root: 512_000,
  timestamp: 16_384,
  snapshot: 2_000_000,
  targets: 5_000_000,
} as const;
/** A client visits no more, the top-level targets included. */
export const delegatedRolesMax = 31;
export const keysMax = 64;
const targetsMax = 10_000;
const patternsMax = 64;

const keyIdSchema = z.string().regex(/^[0-9a-f]{64}$/, 'expected the sha256 of a key in hex');
const versionSchema = z.int().min(1);

/** Which keys speak for a role, and how many of them must. */
export const keySetSchema = z.strictObject({
  keyids: z.array(keyIdSchema).min(1).max(keysMax),
  threshold: z.int().min(1).max(keysMax),
});
export type KeySet = z.infer<typeof keySetSchema>;

/** By their own ids: one key by two names would count twice for whoever signs by names. */
const keysSchema = z
  .record(keyIdSchema, publicKeySchema)
  .refine(
    (keys) => Object.entries(keys).every(([id, key]) => keyIdOf(key) === id),
    'a key has another’s id',
  );
export type Keys = z.infer<typeof keysSchema>;

/** As in Uptane's and TUF's examples: UTC, whole seconds. */
const instantSchema = z
  .string()
  .regex(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$/, 'expected YYYY-MM-DDTHH:MM:SSZ')
  .refine((text) => !Number.isNaN(instantMs(text)), 'expected a date');

const common = {
  spec_version: z.literal(specVersion),
  version: versionSchema,
  expires: instantSchema,
};

/** Who may sign assignments; a field of root's that TUF does not know, and its clients keep (decision 0060). */
export const directorField = 'x-skerry-director';
/** When the coordinator last said that this is the newest: a lower bound of now for devices without a clock. */
export const signedAtField = 'x-skerry-signed-at';

const rootSchema = z.strictObject({
  _type: z.literal('root'),
  ...common,
  consistent_snapshot: z.literal(true),
  keys: keysSchema,
  roles: z.strictObject({
    root: keySetSchema,
    targets: keySetSchema,
    snapshot: keySetSchema,
    timestamp: keySetSchema,
  }),
  [directorField]: keySetSchema,
});

/** A bundle's manifest, by its digest; `custom` is the application's. */
const targetSchema = z.strictObject({
  length: z.int().min(0),
  hashes: z.strictObject({ sha256: z.string().regex(/^[0-9a-f]{64}$/) }),
  custom: z.record(z.string(), z.json()).optional(),
});
export type TargetFile = z.infer<typeof targetSchema>;

/** No path climbs or begins with a slash, for it is joined to a URL and a folder; and clients’ `*` meets no leading dot. */
export const targetPathSchema = z
  .string()
  .regex(
    /^(?!.*\.\.)(?!.*\/\.)[A-Za-z0-9][A-Za-z0-9._/+-]{0,255}$/,
    'expected a relative path without ..',
  );

/** Path patterns of a delegation: `*` and `?` stop at a slash (TUF specification §4.5). */
export const patternSchema = z.string().regex(/^(?!.*\.\.)[A-Za-z0-9*?][A-Za-z0-9._/+*?-]{0,255}$/);

/** A letter first: clients keep roles in objects, where names like numbers come before all others, whatever the order. */
export const teamNameSchema = nameSchema.regex(/^[a-z]/, 'expected a letter first');

const delegationSchema = keySetSchema.extend({
  name: teamNameSchema,
  terminating: z.boolean(),
  paths: z.array(patternSchema).min(1).max(patternsMax),
});
export type Delegation = z.infer<typeof delegationSchema>;

const targetsSchema = z.strictObject({
  _type: z.literal('targets'),
  ...common,
  targets: z
    .record(targetPathSchema, targetSchema)
    .refine(
      (targets) => Object.keys(targets).length <= targetsMax,
      `at most ${targetsMax} targets`,
    ),
  delegations: z
    .strictObject({ keys: keysSchema, roles: z.array(delegationSchema).max(delegatedRolesMax) })
    .optional(),
});

const metaFileSchema = z.strictObject({
  version: versionSchema,
  length: z.int().positive(),
  hashes: z.strictObject({ sha256: z.string() }),
});
export type MetaFile = z.infer<typeof metaFileSchema>;

const snapshotSchema = z.strictObject({
  _type: z.literal('snapshot'),
  ...common,
  meta: z.record(z.string(), metaFileSchema),
});

const timestampSchema = z.strictObject({
  _type: z.literal('timestamp'),
  ...common,
  meta: z.strictObject({ 'snapshot.json': metaFileSchema }),
  [signedAtField]: instantSchema,
});

export type Root = z.infer<typeof rootSchema>;
export type Targets = z.infer<typeof targetsSchema>;
export type Snapshot = z.infer<typeof snapshotSchema>;
export type Timestamp = z.infer<typeof timestampSchema>;
export type Signed = Root | Targets | Snapshot | Timestamp;

const signatureSchema = z.strictObject({
  keyid: keyIdSchema,
  sig: z.string().regex(/^[0-9a-f]{2,1024}$/, 'expected hex'),
});
export type Signature = z.infer<typeof signatureSchema>;

const signedSchema = z.discriminatedUnion('_type', [
  rootSchema,
  targetsSchema,
  snapshotSchema,
  timestampSchema,
]);

export const metadataSchema = z.strictObject({
  signed: signedSchema,
  signatures: z.array(signatureSchema).max(keysMax),
});
export interface Metadata<T extends Signed = Signed> {
  readonly signed: T;
  readonly signatures: readonly Signature[];
}

/** What a signature covers (OLPC canonical JSON). */
export const canonicalBytes = (signed: Signed): Uint8Array => Buffer.from(canonicalize(signed));

export const encodeMetadata = (metadata: Metadata): Uint8Array =>
  Buffer.from(JSON.stringify(metadata));

type OfType<K extends Signed['_type']> = Metadata<Extract<Signed, { _type: K }>>;

/** Fails with `malformed_message` for what is no metadata of this type. */
export function parseMetadata<K extends Signed['_type']>(
  bytes: Uint8Array,
  type: K,
): Result<OfType<K>> {
  const parsed = parseAnyMetadata(bytes);
  if (!parsed.ok) return parsed;
  const found = parsed.value.signed._type;
  if (found === type) return ok(parsed.value as OfType<K>);
  return err(failure('malformed_message', `it is ${found} metadata, expected ${type}`));
}

/** Of whatever role. Fails with `malformed_message`. */
export function parseAnyMetadata(bytes: Uint8Array): Result<Metadata> {
  if (bytes.length > metadataBytesMax.targets)
    return err(failure('too_large', `the metadata is more than ${metadataBytesMax.targets} bytes`));
  const json = parseJson(bytes, 'the metadata', 'malformed_message');
  if (!json.ok) return json;
  const parsed = metadataSchema.safeParse(json.value);
  if (parsed.success) return ok(parsed.data as Metadata);
  const [issue] = parsed.error.issues;
  const where = `${issue?.path.join('.')}: ${issue?.message}`;
  return err(failure('malformed_message', `the metadata: ${where}`));
}

export const commonFields = (version: number, expiresMs: number) =>
  ({
    spec_version: specVersion,
    version,
    expires: instantOf(expiresMs),
  }) as const;
