// The models that this coordinator can finish, each behind its own batcher.

import { type Prediction, predict, type Tensor } from '@skerry/models';
import { type Clock, err, failure, ok, type Result } from '@skerry/shared';
import type { Answer, Escalation } from '@skerry/sync-protocol';
import type { BatchLimits } from './batch-plan.ts';
import { type Batcher, createBatcher } from './batcher.ts';
import type { CloudHalf } from './cloud-half.ts';
import { readWireTensor } from './wire-tensor.ts';

export type Outcome = Answer['outcome'];

export interface CloudModels {
  /**
   * What the whole network says. Fails with `model_not_found`, `digest_mismatch`, `invalid_argument` or
   * `invalid_tensor` for a question that has no answer here, and retryably for one that has none yet.
   */
  answer(escalation: Escalation): Promise<Result<Outcome>>;
  list(): readonly CloudHalf[];
  close(): Promise<void>;
}

/** Beyond this many classes an answer carries the label alone: a distribution of doubles would fill a message. */
const probabilitiesMax = 1_000;

interface Served {
  readonly half: CloudHalf;
  readonly batcher: Batcher<Tensor, Float32Array>;
}

export function createCloudModels(
  halves: readonly CloudHalf[],
  limits: BatchLimits,
  clock: Clock,
  onBatch: (model: string, rows: number, seconds: number) => void,
): CloudModels {
  const served = halves.map((half): Served => {
    const rowsMax = Math.min(limits.rowsMax, half.rowsMax);
    const batcher = createBatcher(
      { ...limits, rowsMax },
      clock,
      async (rows: readonly Tensor[]) => {
        const startMs = clock.monotonicMs();
        const logits = await half.run(rows);
        onBatch(half.model, rows.length, (clock.monotonicMs() - startMs) / 1_000);
        return logits;
      },
    );
    return { half, batcher };
  });

  return {
    async answer(escalation) {
      const found = find(served, escalation);
      if (!found.ok) return found;
      const { half, batcher } = found.value;
      const row = readWireTensor(escalation.input, half.input);
      if (!row.ok) return row;
      const logits = await batcher.submit(row.value);
      return logits.ok ? outcomeOf(half, predict(logits.value, half.temperature)) : logits;
    },
    list: () => halves,
    async close() {
      for (const { batcher } of served) batcher.close();
      await Promise.all(halves.map((half) => half.close()));
    },
  };
}

/** The half that continues what the device computed: same model, same version, same bytes, same cut. */
function find(served: readonly Served[], asked: Escalation): Result<Served> {
  const builds = served.filter(
    ({ half }) => half.model === asked.model && half.version === asked.version,
  );
  if (builds.length === 0)
    return err(failure('model_not_found', `no ${asked.model}@${asked.version} here`));
  const build = builds.find(({ half }) => half.variant === asked.variant);
  if (build === undefined)
    return err(
      failure('digest_mismatch', `no variant ${asked.variant} of ${asked.model}@${asked.version}`),
    );
  if (build.half.stage === asked.stage) return ok(build);
  return err(
    failure(
      'invalid_argument',
      `${asked.model} continues at stage ${build.half.stage}, not at ${asked.stage}`,
    ),
  );
}

function outcomeOf(half: CloudHalf, prediction: Prediction): Result<Outcome> {
  const { index, confidence, probabilities } = prediction;
  if (!probabilities.every(Number.isFinite))
    return err(failure('runtime_failed', `${half.model} gave logits that are not finite`));
  return ok({
    kind: 'answered',
    exit: half.exit,
    label: index,
    confidence,
    probabilities: probabilities.length > probabilitiesMax ? [] : [...probabilities],
    variant: half.variant,
  });
}
