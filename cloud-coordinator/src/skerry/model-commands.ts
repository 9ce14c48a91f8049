// `skerry model …`: what the registry has, and what comes into it.

import { err, failure, ok, type Result } from '@skerry/shared';
import { createSystemRandom, instantOf } from '@skerry/shared/node';
import { z } from 'zod';
import {
  aliasViewSchema,
  comparisonSchema,
  historySchema,
  modelsSchema,
  modelViewSchema,
  stateViewSchema,
  type VersionView,
  versionViewSchema,
} from '../http/registry-views.ts';
import { type Answer, type Call, defineCommand } from './command.ts';
import { drawTable } from './draw-table.ts';
import { createProgressBar, mebibytes } from './progress-bar.ts';
import { pushBundle } from './push-bundle.ts';
import type { LocalBundle } from './sources/local-bundle.ts';
import { openBundle } from './sources/open-bundle.ts';
import { writeOciLayout } from './sources/write-oci-layout.ts';

const by = z
  .string()
  .min(1)
  .max(128)
  .optional()
  .describe('who asks; by default this system’s user');
const reference = z
  .string()
  .min(1)
  .optional()
  .describe('which artefact, where an OCI layout has several');
const word = z.string().min(1).max(128).optional();
const none = z.strictObject({});

export const modelCommands = {
  'model push': defineCommand({
    about: 'a bundle into the registry: from a folder, an OCI layout, or https://…/manifest.json',
    operands: 'SOURCE',
    flags: z.strictObject({
      revision: word.describe('of the code that made it'),
      run: word.describe('the training or federated run that made it'),
      by,
      reference,
    }),
    run: (call) =>
      withBundle(call, call.flags.reference, async (bundle) => {
        const { revision, run } = call.flags;
        const lineage = {
          by: call.flags.by ?? call.user,
          ...(revision === undefined ? {} : { revision }),
          ...(run === undefined ? {} : { run }),
        };
        const ports = { ...call, random: createSystemRandom() };
        const pushed = await pushBundle(bundle, lineage, ports, barOf(call));
        if (!pushed.ok) return pushed;
        const { model, version, manifest, files, bytes } = pushed.value;
        const sent =
          files === 0 ? 'nothing was lacking' : `${files} files sent, ${mebibytes(bytes)}`;
        const text = `${model} ${version}  ${manifest.digest}\n${sent}\nBefore it may be rolled out, targets keys sign it: skerry-coordinator tuf add --bundle …`;
        return ok({ text, value: pushed.value });
      }),
  }),

  'model pack': defineCommand({
    about: 'a bundle as an OCI image layout (ModelPack), for registries of artefacts',
    operands: 'SOURCE',
    flags: z.strictObject({
      out: z.string().min(1).describe('a folder that is not there yet'),
      reference,
    }),
    run: (call) =>
      withBundle(call, call.flags.reference, async (bundle) => {
        const { out } = call.flags;
        const packed = await writeOciLayout(bundle, out, bundle.manifest.version);
        if (!packed.ok) return packed;
        return ok({
          text: `${out}  ${packed.value}`,
          value: { layout: out, digest: packed.value },
        });
      }),
  }),

  'model list': defineCommand({
    about: 'all models',
    operands: '',
    flags: none,
    async run({ client }) {
      const models = await client.get('/v1/registry', modelsSchema);
      if (!models.ok) return models;
      return ok({ text: models.value.models.join('\n'), value: models.value });
    },
  }),

  'model show': defineCommand({
    about: 'a model’s versions and aliases, or all about one version',
    operands: 'MODEL [VERSION]',
    flags: none,
    async run({ client, operands: [model = '', version] }) {
      if (version === undefined) {
        const shown = await client.get(pathOf(model), modelViewSchema);
        if (!shown.ok) return shown;
        return ok({ text: drawVersions(shown.value), value: shown.value });
      }
      const shown = await client.get(pathOf(model, 'versions', version), versionViewSchema);
      return shown.ok ? ok({ text: describeVersion(shown.value), value: shown.value }) : shown;
    },
  }),

  'model compare': defineCommand({
    about: 'two versions side by side: metrics, variants, data, licence',
    operands: 'MODEL FROM TO',
    flags: none,
    async run({ client, operands: [model = '', from = '', to = ''] }) {
      const compared = await client.get(pathOf(model, 'compare', from, to), comparisonSchema);
      if (!compared.ok) return compared;
      return ok({ text: drawComparison(compared.value), value: compared.value });
    },
  }),

  'model alias': defineCommand({
    about: 'points an alias such as champion to a version; without one, takes it away',
    operands: 'MODEL ALIAS [VERSION]',
    flags: z.strictObject({ by }),
    async run({ client, user, flags, operands: [model = '', alias = '', version] }) {
      const body = { version: version ?? null, by: flags.by ?? user };
      const moved = await client.send(
        'PUT',
        pathOf(model, 'aliases', alias),
        body,
        aliasViewSchema,
      );
      if (!moved.ok) return moved;
      return ok({ text: `${model} ${alias} → ${version ?? 'nothing'}`, value: moved.value });
    },
  }),

  'model archive': stateCommand('archived', 'no rollout begins with it any more'),
  'model restore': stateCommand('active', 'takes an archived version back'),
  'model decommission': stateCommand('decommissioned', 'the same as archive, for ever'),

  'model history': defineCommand({
    about: 'all that has happened to a model, each event signed and verified',
    operands: 'MODEL',
    flags: none,
    async run({ client, operands: [model = ''] }) {
      const history = await client.get(pathOf(model, 'history'), historySchema);
      if (!history.ok) return history;
      const rows = history.value.events.map((event) => [
        instantOf(event.atMs),
        event.by,
        event.kind,
        whatOf(event),
      ]);
      return ok({ text: drawTable(['at', 'by', 'what', ''], rows), value: history.value });
    },
  }),
} as const;

function stateCommand(state: 'active' | 'archived' | 'decommissioned', about: string) {
  return defineCommand({
    about,
    operands: 'MODEL VERSION',
    flags: z.strictObject({
      reason: z.string().min(1).max(512).describe('for the log'),
      by,
    }),
    async run({ client, user, flags, operands: [model = '', version = ''] }) {
      const body = { state, reason: flags.reason, by: flags.by ?? user };
      const path = pathOf(model, 'versions', version, 'state');
      const changed = await client.send('PUT', path, body, stateViewSchema);
      if (!changed.ok) return changed;
      return ok({ text: `${model} ${version} is ${state}`, value: changed.value });
    },
  });
}

async function withBundle(
  call: Call<unknown>,
  artefact: string | undefined,
  act: (bundle: LocalBundle) => Promise<Result<Answer>>,
): Promise<Result<Answer>> {
  const [source = ''] = call.operands;
  const bar = barOf(call);
  const onProgress = (name: string, bytes: number, total: number) => bar.show(name, bytes, total);
  const opened = await openBundle(source, artefact, { ...call, onProgress });
  bar.clear();
  if (!opened.ok) {
    const { error } = opened;
    const hint = 'Expected a folder with manifest.json, an OCI layout, or https://…/manifest.json.';
    return error.message.includes('manifest.json: ENOENT')
      ? err(failure(error.code, `${error.message}\n${hint}`))
      : opened;
  }
  try {
    return await act(opened.value);
  } finally {
    await opened.value.close();
  }
}

const barOf = ({ errorIsTerminal, printError }: Call<unknown>) =>
  createProgressBar(errorIsTerminal ? printError : undefined);

const pathOf = (...parts: readonly string[]): string =>
  `/v1/registry/${parts.map(encodeURIComponent).join('/')}`;

function drawVersions({ versions, aliases }: z.infer<typeof modelViewSchema>): string {
  const rows = versions.map(({ version, state, description, publishedMs, by: who, bundle }) => [
    version,
    state,
    Object.entries(aliases)
      .filter(([, to]) => to === version)
      .map(([alias]) => alias)
      .join(' '),
    description.variants.map(({ name }) => name).join(' '),
    instantOf(publishedMs),
    who,
    bundle,
  ]);
  return drawTable(['version', 'state', 'aliases', 'variants', 'published', 'by', 'bundle'], rows);
}

function describeVersion({ version, state, bundle, by: who, description }: VersionView): string {
  const { task, licence, summary, lineage, variants, metrics } = description;
  const { recipe, revision, run, data } = lineage;
  const named = Object.entries({ recipe, revision, run }).flatMap(([key, value]) =>
    value === undefined ? [] : [`${key}: ${value}`],
  );
  const rows = variants.map(({ name, bytes, edgeBytes, metrics: own }) => [
    name,
    bytes,
    edgeBytes,
    metricsText(own),
  ]);
  return [
    `${version} is ${state}, published by ${who}`,
    bundle,
    `${task}; ${licence}`,
    summary,
    metricsText(metrics),
    ...named,
    ...data.map(({ name, sha256 = 'no digest' }) => `data: ${name} (${sha256})`),
    drawTable(['variant', 'bytes', 'on the device', 'metrics'], rows),
  ].join('\n');
}

const metricsText = (metrics: Readonly<Record<string, number>>): string =>
  Object.entries(metrics)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ');

function drawComparison(comparison: z.infer<typeof comparisonSchema>): string {
  const { from, to, metrics, variants, data, licence, recipe } = comparison;
  const rows = metrics.map(({ of, metric, from: was, to: is }) => [
    `${of} ${metric}`,
    was ?? '',
    is ?? '',
    was === undefined || is === undefined ? '' : Number((is - was).toPrecision(4)),
  ]);
  const changes = [
    ['variants added', variants.added.join(', ')],
    ['variants gone', variants.removed.join(', ')],
    ['the same bytes', variants.same.join(', ')],
    ['data added', data.added.join(', ')],
    ['data gone', data.removed.join(', ')],
    ['licence', licence === undefined ? '' : `${licence.from} → ${licence.to}`],
    ['recipe', recipe === undefined ? '' : `${recipe.from} → ${recipe.to}`],
  ].filter(([, what]) => what !== '');
  const lines = changes.map(([name, what]) => `${name}: ${what}`);
  return [drawTable(['', from, to, 'change'], rows), ...lines].join('\n');
}

function whatOf(event: z.infer<typeof historySchema>['events'][number]): string {
  switch (event.kind) {
    case 'published':
      return `${event.version} ${event.manifest.digest}`;
    case 'alias-moved':
      return `${event.alias} → ${event.version ?? 'nothing'}`;
    case 'state-changed':
      return `${event.version} ${event.state}: ${event.reason}`;
  }
}
