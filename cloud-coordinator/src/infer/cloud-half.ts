// The cloud's half of one variant: from a device's cut tensor to the last exit's logits.

import type { Calibration, Tensor, TensorSpec } from '@skerry/models';
import type { Bundle } from '@skerry/models/node';
import { defined, err, failure, ok, type Result } from '@skerry/shared';
import { turnOf, type Urgency } from './escalation-turn.ts';
import type { ServingEntry } from './serving-entry.ts';

export interface CloudHalf {
  readonly model: string;
  readonly version: string;
  readonly variant: string;
  /** The stage that takes `input`. */
  readonly stage: string;
  /** One row of it: the batch dimension is 1. */
  readonly input: TensorSpec;
  readonly exit: number;
  readonly temperature: number;
  /** Of the variant: what its exits promise. */
  readonly calibration: Calibration;
  /** One row's logits. */
  run(row: Tensor, urgency: Urgency): Promise<Result<Float32Array>>;
}

/** What an escalation needs to know of a bundle, before anything of it is loaded. */
export type HalfPlan = Omit<CloudHalf, 'run'> & {
  /** The stage's place among the bundle's. */
  readonly place: number;
  readonly logits: string;
  readonly classes: number;
};

/** Undefined where no stage is the cloud's; fails with `invalid_bundle` where the cloud cannot run what is. */
export function planCloudHalf({ manifest, variant }: Bundle): Result<HalfPlan | undefined> {
  const invalid = (what: string) =>
    err(failure('invalid_bundle', `bundle ${manifest.name}: ${what}`));
  const place = manifest.stages.findIndex((s) => s.side === 'cloud');
  const stage = manifest.stages[place];
  const exit = manifest.exits.at(-1);
  if (stage === undefined || exit === undefined) return ok(undefined);
  if (place < manifest.stages.length - 1) return invalid('takes exactly one cloud stage');
  const [spec, secondInput] = stage.inputs;
  if (spec === undefined || secondInput !== undefined)
    return invalid(`stage ${stage.name} takes exactly one input`);
  const [batch = 0, ...row] = spec.shape;
  if (row.some((size) => size < 0) || (batch !== -1 && batch !== 1))
    return invalid(`stage ${stage.name} takes rows of one size, got [${spec.shape}]`);
  const calibrated = variant.calibration.exits.find((e) => e.exit === exit.index);
  return ok({
    model: manifest.name,
    version: manifest.version,
    variant: variant.digest,
    stage: stage.name,
    input: { ...spec, shape: [1, ...row] },
    exit: exit.index,
    temperature: calibrated?.temperature ?? 1,
    calibration: variant.calibration,
    place,
    logits: exit.logits,
    classes: manifest.labels.length,
  });
}

/** Its rows share the batches of `entry`, with the clients' requests: see turnOf. */
export function createCloudHalf(
  plan: HalfPlan,
  entry: ServingEntry,
  priorities: number,
): CloudHalf {
  const { place: _, logits, classes, ...half } = plan;
  return {
    ...half,
    async run(row, urgency) {
      const ran = await entry.submit({ [half.input.name]: row }, turnOf(urgency, priorities));
      if (!ran.ok) return ran;
      const { data } = defined(ran.value[logits], logits);
      return data instanceof Float32Array && data.length === classes
        ? ok(data)
        : err(failure('runtime_failed', `'${logits}' is not FP32 [1, ${classes}]`));
    },
  };
}
