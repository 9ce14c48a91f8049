// How often each method's threshold breaks its bound, over many splits of images that trained nothing; beside it what the
// decision itself costs on this machine.

import { type ExitRule, isTrusted, predict } from '@skerry/models';
import {
  fitDomain,
  fitTemperature,
  judge,
  type LossName,
  losses,
  type MethodName,
  type Observed,
} from '@skerry/models/calibration';
import { readBundle } from '@skerry/models/node';
import { imageModels, observeExits, splitImages } from '@skerry/models/training';
import { assert, defined } from '@skerry/shared';
import { type MethodOutcome, repeatSplits } from '../splits.ts';
import { median } from '../statistics.ts';

export interface GuaranteeOptions {
  readonly bundle: string;
  readonly splits: number;
  readonly cases: readonly GuaranteeCase[];
}

export interface GuaranteeCase {
  readonly loss: LossName;
  readonly epsilon: number;
  readonly examples: number;
}

const delta = 0.1;
const decisionPasses = 25;

export interface Guarantee {
  readonly pool: number;
  readonly cases: readonly (GuaranteeCase & {
    readonly methods: Record<MethodName, MethodOutcome>;
  })[];
  /** Probabilities, threshold and domain of one answer. */
  readonly decisionUs: number;
}

export async function guarantee({ bundle, splits, cases }: GuaranteeOptions): Promise<Guarantee> {
  const read = await readBundle(bundle, ['edge', 'cloud']);
  assert(read.ok, `the bundle in ${bundle} can be read`);
  const { manifest, stages, variant } = read.value;
  const model = defined(imageModels[manifest.name], `the recipe of ${manifest.name}`);
  const images = splitImages(await model.readImages(), manifest.lineage.seed);
  const firstExit = async (of: typeof images.tuning) =>
    defined((await observeExits(manifest, stages, of))[0], 'exit 1');
  const tuning = await firstExit(images.tuning);
  const known = [await firstExit(images.proving), await firstExit(images.test)];
  const temperature = fitTemperature(tuning);
  const domain = fitDomain(tuning, temperature);
  const judged = (loss: LossName) =>
    known.flatMap((observed) => judge(observed, { temperature, domain, loss }));
  return {
    pool: known.reduce((sum, { labels }) => sum + labels.length, 0),
    cases: cases.map((each) => ({
      ...each,
      methods: repeatSplits(judged(each.loss), {
        ...each,
        splits,
        delta,
        binary: losses[each.loss].binary,
      }),
    })),
    decisionUs: timeDecision(defined(variant.calibration.exits[0], 'exit 1'), tuning),
  };
}

/** Per image, the median over passes of each pass's mean. */
function timeDecision(rule: ExitRule, { classes, logits, labels, cut }: Observed): number {
  const size = defined(cut, 'cut').data.length / labels.length;
  const shape = [1, ...defined(cut, 'cut').shape.slice(1)];
  const outputs = Array.from(labels, (_, i) => ({
    logits: Float32Array.from({ length: classes }, (_, c) => logits[i * classes + c] as number),
    cut: {
      datatype: 'UINT8' as const,
      shape,
      data: defined(cut, 'cut').data.slice(i * size, (i + 1) * size),
    },
  }));
  const passesUs: number[] = [];
  let trusted = 0;
  for (let pass = 0; pass < decisionPasses; pass++) {
    const startedMs = performance.now();
    for (const output of outputs) {
      const prediction = predict(output.logits, rule.temperature);
      trusted += Number(isTrusted(rule, { ...output, prediction }));
    }
    passesUs.push((1000 * (performance.now() - startedMs)) / outputs.length);
  }
  assert(trusted > 0, 'some are trusted');
  return median(passesUs);
}
