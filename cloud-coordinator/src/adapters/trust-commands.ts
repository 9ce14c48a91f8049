// `tuf …`: an operator's and the key holders' side of the repository, beside the running coordinator, which sees what is
// published in the data folder. `keygen` and `sign --file` need nothing but a file: they are for machines without a network.

import { writeFileSync } from 'node:fs';
import {
  collect,
  countSchema,
  err,
  failure,
  listSchema,
  messageOf,
  nameSchema,
  ok,
  type Result,
} from '@skerry/shared';
import { loadProcessConfig, sha256, systemClock } from '@skerry/shared/node';
import { z } from 'zod';
import { dataDirSchema } from '../fleet/instances.ts';
import { describePublished, describeStaged, shortId } from '../update/trust/describe.ts';
import { renewRoot, renewTargets } from '../update/trust/draft.ts';
import { delegate, undelegate } from '../update/trust/edit-keys.ts';
import { addSnapshot, addTarget, removeTarget } from '../update/trust/edit-targets.ts';
import { patternSchema } from '../update/trust/metadata.ts';
import type { TrustRepository } from '../update/trust/repository.ts';
import { editTrust, withRepository } from './edit-trust.ts';
import { makeKey, readPublicKey } from './key-files.ts';
import { openTrust } from './open-trust.ts';
import {
  beginTrust,
  collectSigned,
  demoCeremony,
  rotateTrust,
  signStaged,
  targetOfBundle,
  targetOfSnapshot,
} from './trust-ceremony.ts';

const folder = { dataDir: dataDirSchema };
const role = z.string().min(1).default('targets').describe('targets, or a team');
const threshold = countSchema(1, 64);
const keyFiles = listSchema.optional();
const key = z.string().min(1).describe('PEM file, or env:NAME');

interface Command<S extends z.ZodObject> {
  readonly about: string;
  readonly schema: S;
  run(options: z.output<S>): Promise<Result<string>>;
}
const command = <S extends z.ZodObject>(definition: Command<S>): Command<S> => definition;

export const trustCommands = {
  init: command({
    about:
      'begin: with --root-keys and --targets-keys a real ceremony, without them demo keys, signed and published at once',
    schema: z.object({
      ...folder,
      rootKeys: keyFiles.describe('public keys as PEM files, separated by commas'),
      targetsKeys: keyFiles.describe('the same'),
      rootThreshold: threshold.default(demoCeremony.threshold),
      targetsThreshold: threshold.default(demoCeremony.threshold),
    }),
    run: beginTrust,
  }),
  keygen: command({
    about: 'a key for its holder: FILE and FILE.pub; encrypted where TUF_PASSPHRASE is set',
    schema: z.object({
      out: z.string().min(1),
      kind: z.enum(['ed25519', 'p256']).default('ed25519'),
    }),
    run: async ({ out, kind }) => {
      const made = makeKey(out, kind);
      if (!made.ok) return made;
      return ok(`key ${shortId(made.value.keyId)}: keep ${out} to yourself, give away ${out}.pub`);
    },
  }),
  add: command({
    about: 'stage a bundle, or a collection’s snapshot: what devices may take',
    schema: z.object({
      ...folder,
      bundle: z.string().min(1).optional().describe('its folder'),
      snapshot: z.string().min(1).optional().describe('the file of its manifest'),
      role,
      releaseCounter: countSchema(0, 1_000_000_000)
        .optional()
        .describe('absent: as high as the highest of this model'),
    }),
    run: ({ dataDir, bundle, snapshot, role, releaseCounter }) =>
      editTrust(dataDir, async (draft, nowMs) => {
        if (snapshot !== undefined) {
          const target = targetOfSnapshot(snapshot);
          return target.ok ? addSnapshot(draft, role, target.value, nowMs) : target;
        }
        if (bundle === undefined)
          return err(failure('invalid_argument', 'give --bundle or --snapshot'));
        const named = draft.targets.get(role)?.targets ?? {};
        const target = await targetOfBundle(bundle, releaseCounter, named);
        return target.ok ? addTarget(draft, role, target.value, nowMs) : target;
      }),
  }),
  remove: command({
    about: 'stage that a bundle may no longer be installed',
    schema: z.object({
      ...folder,
      path: z.string().min(1).describe('NAME/VERSION/manifest.json'),
      role,
    }),
    run: ({ dataDir, path, role }) =>
      editTrust(dataDir, async (draft, nowMs) => removeTarget(draft, role, path, nowMs)),
  }),
  delegate: command({
    about: 'stage a team that signs its own bundles, or new rules for one',
    schema: z.object({
      ...folder,
      team: nameSchema,
      keys: listSchema.describe('public keys as PEM files'),
      threshold: threshold.default(1),
      paths: listSchema.describe("such as 'vision-*/*/*'"),
      terminating: z
        .enum(['yes', 'no'])
        .default('yes')
        .describe('whether nobody below may name these paths'),
    }),
    run: ({ dataDir, team: name, keys, threshold, paths, terminating }) =>
      editTrust(dataDir, async (draft, nowMs) => {
        const read = collect(keys.map(readPublicKey));
        if (!read.ok) return read;
        const wrong = paths.find((path) => !patternSchema.safeParse(path).success);
        if (wrong !== undefined)
          return err(failure('invalid_argument', `'${wrong}' is no pattern`));
        const rule = {
          name,
          keys: read.value,
          threshold,
          paths,
          terminating: terminating === 'yes',
        };
        return delegate(draft, rule, nowMs);
      }),
  }),
  undelegate: command({
    about: 'stage the end of a team',
    schema: z.object({ ...folder, team: nameSchema }),
    run: ({ dataDir, team }) =>
      editTrust(dataDir, async (draft, nowMs) => undelegate(draft, team, nowMs)),
  }),
  rotate: command({
    about: 'stage keys that come and go: of root, targets, snapshot, timestamp, director or a team',
    schema: z.object({
      ...folder,
      role: z.string().min(1),
      add: keyFiles.describe('public keys as PEM files'),
      remove: keyFiles.describe('key ids; their first characters are enough'),
      threshold: threshold.optional(),
    }),
    run: rotateTrust,
  }),
  renew: command({
    about: 'stage a role as it is, for another year',
    schema: z.object({ ...folder, role: z.string().min(1) }),
    run: ({ dataDir, role }) =>
      editTrust(dataDir, async (draft, nowMs) => {
        if (role === 'root') return ok({ root: renewRoot(draft, nowMs) });
        const targets = renewTargets(draft, role, nowMs);
        return targets.ok ? ok({ targets: new Map([[role, targets.value]]) }) : targets;
      }),
  }),
  sign: command({
    about: 'sign what is staged here; with --file one file, anywhere',
    schema: z.object({ ...folder, key, file: z.string().min(1).optional() }),
    run: signStaged,
  }),
  collect: command({
    about: 'take in a file that came back from a key holder',
    schema: z.object({ ...folder, file: z.string().min(1) }),
    run: collectSigned,
  }),
  publish: command({
    about: 'publish what is staged, where enough have signed',
    schema: z.object({
      ...folder,
      roles: listSchema.optional(),
      onlineKeys: listSchema.optional(),
    }),
    run: async ({ dataDir, roles, onlineKeys }) => {
      const opened = openTrust(dataDir, onlineKeys, systemClock);
      if (!opened.ok) return opened;
      const names = await opened.value.repository.publish(roles);
      return names.ok ? ok(`published: ${names.value.join(' ')} timestamp.json`) : names;
    },
  }),
  status: command({
    about: 'what is published, until when, and what waits for whom',
    schema: z.object(folder),
    run: ({ dataDir }) => withRepository(dataDir, status),
  }),
  pack: command({
    about: 'write all that a device needs into one file',
    schema: z.object({ ...folder, out: z.string().min(1) }),
    run: ({ dataDir, out }) =>
      withRepository(dataDir, async (repository) => {
        const pack = await repository.pack();
        if (!pack.ok) return pack;
        writeFileSync(out, pack.value);
        return ok(`${out}: ${pack.value.length} bytes, ${sha256(pack.value)}`);
      }),
  }),
} as const;

/** The text that comes back is for standard output. */
export async function runTrustCommand([name = '', ...argv]: readonly string[]): Promise<
  Result<string>
> {
  if (!Object.hasOwn(trustCommands, name)) return ok(usage());
  const found = trustCommands[
    name as keyof typeof trustCommands
  ] as unknown as Command<z.ZodObject>;
  const options = loadProcessConfig(found.schema, argv, {});
  if (!options.ok) return options;
  try {
    return await found.run(options.value);
  } catch (thrown) {
    return err(failure('storage_failed', messageOf(thrown)));
  }
}

function usage(): string {
  const lines = Object.entries(trustCommands).map(([name, { about, schema }]) => {
    const flags = Object.keys(schema.shape)
      .filter((each) => each !== 'dataDir')
      .map((each) => `--${each.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`);
    return `  tuf ${name.padEnd(11)}${about}\n  ${' '.repeat(15)}${flags.join(' ')}`;
  });
  return ['All take --data-dir.', ...lines].join('\n');
}

async function status(repository: TrustRepository): Promise<Result<string>> {
  const published = await repository.published();
  if (!published.ok) return published;
  const staged = await repository.staged();
  if (!staged.ok) return staged;
  const parts = [
    published.value === undefined
      ? 'nothing is published yet'
      : describePublished(published.value, systemClock.nowMs()),
    ...staged.value.map(describeStaged),
  ];
  return ok(parts.join('\n'));
}
