// `skerry collection …` of the coordinator: what it publishes of agents' libraries, and which devices hold it.

import { readFileSync, writeFileSync } from 'node:fs';
import { err, failure, listSchema, messageOf, nameSchema, ok, type Result } from '@skerry/shared';
import { instantOf } from '@skerry/shared/node';
import { principalSchema } from '@skerry/sync-protocol/collections';
import { z } from 'zod';
import {
  collectionListSchema,
  collectionViewSchema,
  subscriptionViewSchema,
} from '../http/collection-views.ts';
import { type Answer, type Call, defineCommand } from './command.ts';
import {
  type CoordinatorClient,
  createCoordinatorClient,
  failureOf,
} from './coordinator-client.ts';
import { drawTable } from './draw-table.ts';
import { createProgressBar, mebibytes } from './progress-bar.ts';
import { publishOffer, pushCollection } from './push-collection.ts';

const by = z
  .string()
  .min(1)
  .max(128)
  .optional()
  .describe('who asks; by default this system’s user');
const names = listSchema.pipe(z.array(z.string().min(1).max(64)).min(1)).optional();

export const collectionCommands = {
  'collection push': defineCommand({
    about: 'publishes what an agent’s collection holds as the next snapshot',
    operands: 'NAME',
    flags: z.strictObject({
      from: z
        .url({ protocol: /^https?$/ })
        .default('http://127.0.0.1:8081')
        .describe('the agent’s local API'),
      offer: nameSchema
        .optional()
        .describe(
          'a device whose own collection it is, and which has sent it up: in place of --from',
        ),
      answers: z
        .string()
        .min(1)
        .optional()
        .describe('a file of answers to the commonest questions, made before: a JSON list'),
      manifest: z
        .string()
        .min(1)
        .optional()
        .describe('a file for its manifest: what targets keys sign'),
      by,
    }),
    run: push,
  }),

  'collection show': defineCommand({
    about: 'the collections that are published, or one’s snapshots and who holds it',
    operands: '[NAME]',
    flags: z.strictObject({}),
    async run({ client, operands: [name] }) {
      if (name === undefined) {
        const all = await client.get('/v1/collections', collectionListSchema);
        return all.ok ? ok({ text: all.value.collections.join('\n'), value: all.value }) : all;
      }
      const shown = await client.get(pathOf(name), collectionViewSchema);
      return shown.ok ? ok({ text: drawCollection(shown.value), value: shown.value }) : shown;
    },
  }),

  'collection subscribe': defineCommand({
    about: 'says which devices hold it; all that is said must hold, nothing said is everybody',
    operands: 'NAME',
    flags: z.strictObject({
      as: nameSchema
        .default('fleet')
        .describe('the subscription’s name: another by it is replaced'),
      sites: names.describe('of which one'),
      labels: names.describe('all of them'),
      targets: names.describe('kinds of hardware, of which one'),
      devices: names.describe('of which one'),
      readers: listSchema
        .pipe(z.array(principalSchema))
        .default([])
        .describe('as whom they have what is not for everybody; with --sites or --devices alone'),
      by,
    }),
    async run({ client, user, flags, operands: [name = ''] }) {
      const { as, readers, sites, labels, targets, devices } = flags;
      const said = Object.entries({ sites, labels, targets, devices });
      const selection = Object.fromEntries(said.filter(([, each]) => each !== undefined));
      const body = { order: { selection, readers }, by: flags.by ?? user };
      return subscribed(await subscribe(client, name, as, body), `${name} ${as}: subscribed`);
    },
  }),

  'collection unsubscribe': defineCommand({
    about: 'ends a subscription: devices delete what they hold by it alone',
    operands: 'NAME',
    flags: z.strictObject({ as: nameSchema.default('fleet').describe('which'), by }),
    async run({ client, user, flags, operands: [name = ''] }) {
      const body = { order: null, by: flags.by ?? user };
      const done = await subscribe(client, name, flags.as, body);
      return subscribed(done, `${name} ${flags.as}: ended`);
    },
  }),
} as const;

const pathOf = (...parts: readonly string[]): string =>
  `/v1/collections/${parts.map(encodeURIComponent).join('/')}`;

const subscribe = (client: CoordinatorClient, name: string, id: string, body: unknown) =>
  client.send('PUT', pathOf(name, 'subscriptions', id), body, subscriptionViewSchema);

const subscribed = <T>(done: Result<T>, text: string): Result<Answer> =>
  done.ok ? ok({ text, value: done.value }) : done;

async function push(
  call: Call<{
    from: string;
    offer?: string | undefined;
    answers?: string | undefined;
    manifest?: string | undefined;
    by?: string | undefined;
  }>,
): Promise<Result<Answer>> {
  const { client: coordinator, flags, operands, fetch, clock } = call;
  const [name = ''] = operands;
  const agent = createCoordinatorClient({ url: flags.from }, { fetch, clock });
  const bar = createProgressBar(call.errorIsTerminal ? call.printError : undefined);
  const who = flags.by ?? call.user;
  const answers = flags.answers === undefined ? ok(undefined) : readAnswers(flags.answers);
  if (!answers.ok) return answers;
  const pushed =
    flags.offer === undefined
      ? await pushCollection(name, who, { agent, coordinator, answers: answers.value }, bar)
      : await publishOffer(name, flags.offer, who, coordinator);
  if (!pushed.ok) return pushed;
  const { snapshot, target, unchanged, sentDocuments, sentBytes } = pushed.value;
  if (flags.manifest !== undefined) {
    const written = await writeManifest(coordinator, name, snapshot.sequence, flags.manifest);
    if (!written.ok) return written;
  }
  const saved = snapshot.bytes - snapshot.freshBytes;
  const lines = [
    `${name} ${snapshot.sequence}${unchanged ? ', as it was' : ''}  ${snapshot.root}`,
    `${snapshot.documents} documents, ${mebibytes(snapshot.bytes)}; ${sentDocuments} sent, ${mebibytes(sentBytes)}`,
    `a device with the snapshot before fetches ${mebibytes(snapshot.freshBytes)} of them, and not ${mebibytes(saved)}`,
    `Before devices take it, targets keys sign it: skerry-coordinator tuf add --snapshot ${flags.manifest ?? 'FILE'} (${target})`,
  ];
  return ok({ text: lines.join('\n'), value: pushed.value });
}

function readAnswers(path: string): Result<Uint8Array> {
  try {
    return ok(new Uint8Array(readFileSync(path)));
  } catch (thrown) {
    return err(failure('invalid_argument', messageOf(thrown)));
  }
}

async function writeManifest(
  client: CoordinatorClient,
  name: string,
  sequence: number,
  path: string,
): Promise<Result<void>> {
  const response = await client.ask('GET', pathOf(name, 'snapshots', String(sequence)));
  if (!response.ok) return response;
  if (!response.value.ok) return err(await failureOf(response.value));
  try {
    writeFileSync(path, new Uint8Array(await response.value.arrayBuffer()));
    return ok(undefined);
  } catch (thrown) {
    return err(failure('storage_failed', messageOf(thrown)));
  }
}

function drawCollection(view: z.infer<typeof collectionViewSchema>): string {
  const snapshots = view.snapshots.map((each) => [
    each.sequence,
    each.documents,
    mebibytes(each.bytes),
    mebibytes(each.freshBytes),
    instantOf(each.atMs),
    each.by,
    each.root,
  ]);
  const subscriptions = Object.entries(view.subscriptions).map(([id, { selection, readers }]) => [
    id,
    JSON.stringify(selection),
    readers.join(' '),
  ]);
  const holders = view.holders.map(({ device, wanted, report }) => [
    device,
    wanted,
    report?.sequence ?? '',
    report?.state ?? 'not heard yet',
    report === undefined ? '' : mebibytes(report.movedBytes),
    report === undefined ? '' : mebibytes(report.savedBytes),
    report?.reason ?? '',
  ]);
  return [
    drawTable(['snapshot', 'documents', 'bytes', 'new', 'at', 'by', 'root'], snapshots),
    drawTable(['subscription', 'devices', 'readers'], subscriptions),
    drawTable(['device', 'wanted', 'holds', 'state', 'moved', 'saved', ''], holders),
  ].join('\n\n');
}
