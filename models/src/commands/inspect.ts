// models inspect BUNDLE | FILE.onnx: the graph, its exits and its cut, as text; with --svg, as a picture too.

import { writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { createRandom, defined, ok, type Result } from '@skerry/shared';
import { z } from 'zod';
import type { Manifest, Stage, Variant } from '../bundle/manifest.ts';
import { neverTrusted } from '../calibration/exit-rule.ts';
import { blocksOf } from '../inspect/blocks.ts';
import { drawSvg } from '../inspect/draw-svg.ts';
import { drawText } from '../inspect/draw-text.ts';
import type { Outline, Part } from '../inspect/outline.ts';
import { trustedFrom } from '../inspect/trusted-from.ts';
import { readBundle, zooDirectory } from '../node/read-bundle.ts';
import { decodeModel } from '../onnx/model-proto.ts';
import { noiseFeeds } from '../onnx/noise-feeds.ts';
import { profileGraph } from '../onnx/profile-graph.ts';
import { createOnnxDirectRuntime } from '../runtime/onnx-direct.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { findCuts } from '../split/find-cuts.ts';
import { defineCommand } from './command.ts';
import { readModel } from './read-model.ts';

const schema = z.object({
  variant: z.string().optional().describe('of a bundle; its first, where none is named'),
  svg: z.string().optional().describe('file to draw the picture into'),
});

const noiseSeed = 1;

export const inspect = defineCommand('BUNDLE|FILE.onnx', schema, async (subject, options) => {
  const runtime = createOnnxDirectRuntime();
  const outline = subject.endsWith('.onnx')
    ? await outlineFile(subject, runtime)
    : await outlineBundle(subject, options.variant, runtime);
  if (!outline.ok) return outline;
  if (options.svg !== undefined) await writeFile(options.svg, drawSvg(outline.value));
  return ok(drawText(outline.value));
});

async function outlineFile(path: string, runtime: Runtime): Promise<Result<Outline>> {
  const read = await readModel(path, runtime);
  if (!read.ok) return read;
  const part = await outlinePart(
    read.value.bytes,
    { name: basename(path), side: undefined, exits: new Map() },
    runtime,
  );
  if (!part.ok) return part;
  const cuts = findCuts(part.value.profile.index).length;
  const nodes = read.value.model.graph.node.length;
  return ok({
    title: basename(path),
    subtitle: `${nodes} nodes; ${cuts} values cut it in two (models split says which are worth it)`,
    parts: [part.value.part],
  });
}

async function outlineBundle(
  subject: string,
  variantName: string | undefined,
  runtime: Runtime,
): Promise<Result<Outline>> {
  const folder = basename(subject) === subject ? join(zooDirectory, subject) : subject;
  const bundle = await readBundle(folder, ['edge', 'cloud'], variantName);
  if (!bundle.ok) return bundle;
  const { manifest, variant, stages } = bundle.value;
  const parts: Part[] = [];
  for (const stage of manifest.stages) {
    const bytes = defined(stages.get(stage.name), `stage ${stage.name}`);
    const about = {
      name: stage.name,
      side: stage.side === 'edge' ? 'device' : 'cloud',
      exits: exitsOf(stage, manifest, variant),
      ...(stage.cut === undefined ? {} : { cut: stage.cut }),
    } as const;
    const part = await outlinePart(bytes, about, runtime);
    if (!part.ok) return part;
    parts.push(part.value.part);
  }
  return ok({
    title: `${manifest.name} ${manifest.version}`,
    subtitle: `${manifest.task}, ${manifest.labels.length} classes · variant ${variant.name} · ${variant.digest.slice(0, 19)}…`,
    parts,
  });
}

async function outlinePart(
  bytes: Uint8Array,
  about: Omit<Part, 'bytes' | 'blocks'>,
  runtime: Runtime,
) {
  const model = decodeModel(bytes);
  if (!model.ok) return model;
  const session = await runtime.load(bytes);
  if (!session.ok) return session;
  const feeds = noiseFeeds(session.value.inputs, createRandom(noiseSeed));
  await session.value.close();
  if (!feeds.ok) return feeds;
  const profile = await profileGraph(model.value, [feeds.value], runtime);
  if (!profile.ok) return profile;
  const part: Part = { ...about, bytes: bytes.byteLength, blocks: blocksOf(profile.value) };
  return ok({ part, profile: profile.value });
}

/** What is said of each exit that leaves from a stage, by its logits' name. */
function exitsOf(stage: Stage, { exits }: Manifest, { calibration }: Variant): Map<string, string> {
  const said = exits
    .filter((exit) => exit.stage === stage.name)
    .map(({ index, logits }) => {
      const rule = calibration.exits.find(({ exit }) => exit === index);
      const isLast = index === exits.length;
      const when = isLast ? 'the whole network' : trustedFrom(rule ?? neverTrusted);
      return [logits, `exit ${index} · ${when}`] as const;
    });
  return new Map(said);
}
