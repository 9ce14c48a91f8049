#!/usr/bin/env node
// `npm run fit`: which bundles of the zoo fit which targets; `npm run fit -- digits linux-arm64`: whether this one
// does, and why not. `--agent-config` prints what the agent takes as its `--config` on a target.

import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import {
  languageModelFileName,
  readBundle,
  readLanguageModel,
  zooDirectory,
} from '@skerry/models/node';
import { err, failure, messageOf, ok, type Result } from '@skerry/shared';
import { type Fit, fit, fitLanguageModel, mebibytes, milliseconds } from './fit.ts';
import { parseTarget, type Target } from './target.ts';
import { targets } from './targets.ts';

const usage = `usage: npm run fit                                        every bundle of the zoo on every target
       npm run fit -- BUNDLE TARGET [--variant NAME]      one of them, and why it does not fit
       npm run --silent fit -- --agent-config TARGET      the agent's configuration there, as JSON

BUNDLE  a name in the zoo, or a folder, also of a language model
TARGET  ${targets.map(({ name }) => name).join(', ')}, or a profile's JSON file
`;
const exitCodes = { fits: 0, doesNotFit: 1, usage: 2 } as const;

const write = (text: string): void => void process.stdout.write(text);

async function main(argv: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    options: {
      variant: { type: 'string' },
      'agent-config': { type: 'string' },
      help: { type: 'boolean' },
    },
    allowPositionals: true,
  });
  if (values.help) {
    write(usage);
    return exitCodes.fits;
  }
  if (values['agent-config'] !== undefined) return showAgentConfig(values['agent-config']);
  const [bundle, target, ...rest] = positionals;
  if (bundle === undefined && values.variant === undefined) return showAll();
  if (bundle === undefined || target === undefined || rest.length > 0)
    return refuse('name a bundle and a target, or nothing');
  return judge(bundle, target, values.variant);
}

async function judge(
  bundleName: string,
  targetName: string,
  variantName: string | undefined,
): Promise<number> {
  const target = await findTarget(targetName);
  if (!target.ok) return refuse(target.error.message);
  if (existsSync(join(bundleName, languageModelFileName)))
    return judgeLanguageModel(bundleName, target.value);
  const bundle = await readBundle(folderOf(bundleName), ['edge'], variantName);
  if (!bundle.ok) return refuse(bundle.error.message);
  const { manifest, variant } = bundle.value;
  const verdict = fit(manifest, variant.name, target.value);
  return tell(
    `${manifest.name} ${manifest.version} (${variant.name}) on ${target.value.name}`,
    verdict,
  );
}

async function judgeLanguageModel(folder: string, target: Target): Promise<number> {
  const file = await readLanguageModel(folder);
  if (!file.ok) return refuse(file.error.message);
  const { description } = file.value;
  return tell(`${description.name} on ${target.name}`, fitLanguageModel(description, target));
}

function tell(subject: string, verdict: Fit): number {
  if (verdict.fits) {
    write(`${subject}: fits. ${needsOf(verdict)}\n`);
    return exitCodes.fits;
  }
  write(`${subject}: does not fit.\n`);
  for (const { message } of verdict.reasons) write(`  ${message}\n`);
  return exitCodes.doesNotFit;
}

async function showAll(): Promise<number> {
  const entries = await readdir(zooDirectory, { withFileTypes: true });
  for (const { name } of entries.filter((entry) => entry.isDirectory())) {
    const bundle = await readBundle(join(zooDirectory, name), ['edge']);
    if (!bundle.ok) return refuse(bundle.error.message);
    const { manifest } = bundle.value;
    for (const variant of manifest.variants)
      for (const target of targets)
        write(
          `${rowOf(manifest.name, variant.name, target, fit(manifest, variant.name, target))}\n`,
        );
  }
  return exitCodes.fits;
}

function rowOf(bundle: string, variant: string, target: Target, verdict: Fit): string {
  const name = `${bundle.padEnd(12)} ${variant.padEnd(8)} ${target.name.padEnd(12)}`;
  return verdict.fits
    ? `${name} fits            ${needsOf(verdict)}`
    : `${name} does not fit    ${verdict.reasons.map(({ message }) => message).join('; ')}`;
}

function needsOf({ provider, needs }: Extract<Fit, { fits: true }>): string {
  const { diskBytes, memoryBytes, latencyMs } = needs;
  const latency =
    latencyMs === undefined ? 'latency unknown' : `latency ${milliseconds(latencyMs)}`;
  return `disk ${mebibytes(diskBytes)}, memory ${mebibytes(memoryBytes)}, ${latency}, on ${provider}`;
}

async function showAgentConfig(targetName: string): Promise<number> {
  const target = await findTarget(targetName);
  if (!target.ok) return refuse(target.error.message);
  const { name, agent } = target.value;
  write(`${JSON.stringify({ target: name, ...agent }, null, 2)}\n`);
  return exitCodes.fits;
}

const folderOf = (bundle: string): string =>
  basename(bundle) === bundle ? join(zooDirectory, bundle) : bundle;

async function findTarget(nameOrPath: string): Promise<Result<Target>> {
  const shipped = targets.find(({ name }) => name === nameOrPath);
  if (shipped !== undefined) return ok(shipped);
  if (!nameOrPath.endsWith('.json'))
    return err(failure('not_found', `no target is named ${nameOrPath}`));
  try {
    return parseTarget(JSON.parse(await readFile(nameOrPath, 'utf8')));
  } catch (thrown) {
    return err(failure('invalid_config', `${nameOrPath}: ${messageOf(thrown)}`));
  }
}

function refuse(message: string): number {
  process.stderr.write(`${message} (npm run fit -- --help)\n`);
  return exitCodes.usage;
}

process.exitCode = await main(process.argv.slice(2)).catch((thrown: unknown) =>
  refuse(messageOf(thrown)),
);
