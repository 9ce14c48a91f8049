// One model of an imported cascade on photos: what it answers to each, how sure it is, how long it takes.

import { predict } from '@skerry/models';
import { readBundle } from '@skerry/models/node';
import { createOnnxDirectRuntime } from '@skerry/models/runtime';
import { expectOk } from '../in-process-agent.ts';
import { readPhoto } from '../photo.ts';
import { median } from '../statistics.ts';

export interface CascadeMemberOptions {
  readonly bundle: string;
  readonly stage: string;
  /** JPEG files. */
  readonly photos: readonly string[];
  readonly runs: number;
}

export interface CascadeMember {
  readonly p50Ms: number;
  readonly answers: readonly { readonly index: number; readonly confidence: number }[];
}

export async function cascadeMember(options: CascadeMemberOptions): Promise<CascadeMember> {
  const { bundle, stage, photos, runs } = options;
  const { stages, manifest } = expectOk(await readBundle(bundle, ['edge', 'cloud']));
  const [, , height = 0, width = 0] = manifest.inputs[0]?.shape ?? [];
  const runtime = createOnnxDirectRuntime();
  const session = expectOk(await runtime.load(stages.get(stage) as Uint8Array));
  const times: number[] = [];
  const answers = [];
  for (const photo of photos) {
    const image = await readPhoto(photo, height, width);
    const run = async () => expectOk(await session.run({ image }))['logits'];
    const { index, confidence } = predict((await run())?.data as Float32Array);
    answers.push({ index, confidence });
    for (let i = 0; i < runs; i++) {
      const startMs = performance.now();
      await run();
      times.push(performance.now() - startMs);
    }
  }
  await runtime.close();
  return { p50Ms: median(times), answers };
}
