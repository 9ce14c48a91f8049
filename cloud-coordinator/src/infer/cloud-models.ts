// Answers an escalation with the half of the network that the coordinator holds.

import { type Prediction, predict } from '@skerry/models';
import { err, failure, ok, type Result } from '@skerry/shared';
import type { Answer, Escalation } from '@skerry/sync-protocol';
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
}

/** Beyond this many classes an answer carries the label alone: a distribution of doubles would fill a message. */
const probabilitiesMax = 1_000;

/** @param late where those may be found that are not among `halves` yet */
export function createCloudModels(
  halves: () => readonly CloudHalf[],
  late?: (asked: Escalation) => Promise<Result<CloudHalf>>,
): CloudModels {
  const halfFor = async (asked: Escalation): Promise<Result<CloudHalf>> => {
    const here = find(halves(), asked);
    if (here.ok || here.error.code === 'invalid_argument' || late === undefined) return here;
    const found = await late(asked);
    if (found.ok) return find([found.value], asked);
    // That it is nowhere says less than what is here instead.
    return found.error.code === 'model_not_found' ? here : found;
  };
  return {
    async answer(escalation) {
      const half = await halfFor(escalation);
      if (!half.ok) return half;
      const row = readWireTensor(escalation.input, half.value.input);
      if (!row.ok) return row;
      const logits = await half.value.run(row.value, escalation);
      return logits.ok
        ? outcomeOf(half.value, predict(logits.value, half.value.temperature))
        : logits;
    },
    list: halves,
  };
}

/** The half that continues what the device computed: same model, same version, same bytes, same cut. */
function find(halves: readonly CloudHalf[], asked: Escalation): Result<CloudHalf> {
  const builds = halves.filter(
    ({ model, version }) => model === asked.model && version === asked.version,
  );
  if (builds.length === 0)
    return err(failure('model_not_found', `no ${asked.model}@${asked.version} here`));
  const build = builds.find(({ variant }) => variant === asked.variant);
  if (build === undefined)
    return err(
      failure('digest_mismatch', `no variant ${asked.variant} of ${asked.model}@${asked.version}`),
    );
  if (build.stage === asked.stage) return ok(build);
  return err(
    failure(
      'invalid_argument',
      `${asked.model} continues at stage ${build.stage}, not at ${asked.stage}`,
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
