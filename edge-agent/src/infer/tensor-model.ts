// A bundle of task `tensor` on the device: tensors in, tensors out, nothing to decide. It is admitted like any other, and
// bound by the request's deadline.

import {
  executionProperties,
  openPipeline,
  openReloadable,
  type Pipeline,
  type Runtime,
  type StageOptions,
} from '@skerry/models';
import type { Bundle } from '@skerry/models/node';
import {
  createModelStatistics,
  failReasonOf,
  type ServedModel,
} from '@skerry/models/open-inference';
import { type Clock, err, failure, ok, type Result } from '@skerry/shared';
import type { Admission } from './admission.ts';
import { inTime } from './in-time.ts';

export interface TensorModel {
  readonly served: ServedModel;
  load(): Promise<Result<void>>;
  unload(): Promise<void>;
}

export interface TensorModelPorts {
  readonly createRuntime: () => Runtime;
  readonly admission: Admission;
  readonly clock: Clock;
}

/** Fails with `invalid_bundle` where a stage is not for the device, or is no graph that the runtime takes. */
export async function openTensorModel(
  { manifest, variant, stages }: Bundle,
  { deadlineMs, ...options }: StageOptions & { readonly deadlineMs: number },
  { createRuntime, admission, clock }: TensorModelPorts,
): Promise<Result<TensorModel>> {
  const { name, version, licence, task } = manifest;
  if (manifest.stages.some(({ side }) => side === 'cloud'))
    return err(failure('invalid_bundle', `${name}: a tensor model on a device has edge stages`));
  const opened = await openReloadable<Pipeline>(() =>
    openPipeline(manifest.stages, stages, createRuntime, options),
  );
  if (!opened.ok) return opened;
  const { current, load, unload } = opened.value;
  const statistics = createModelStatistics();

  const served: ServedModel = {
    description: {
      name,
      version,
      platform: 'onnx_onnxv1',
      inputs: manifest.inputs,
      outputs: manifest.stages.at(-1)?.outputs ?? [],
      get properties() {
        const provided = executionProperties(current()?.executions() ?? []);
        return { model_digest: variant.digest, licence, task, ...provided };
      },
    },
    ready: () => current()?.alive() ?? false,
    statistics,
    async infer({ inputs }, { deadlineLeftMs = deadlineMs }) {
      const enteredMs = clock.monotonicMs();
      const ticket = admission.enter(deadlineLeftMs);
      if (!ticket.ok) {
        statistics.ended(0, 'REJECTED');
        return ticket;
      }
      const run = async () => {
        let served = false;
        try {
          const pipeline = current();
          if (pipeline === undefined)
            return err(failure('unavailable', `Model with name ${name} is not ready.`));
          const ran = await pipeline.run(inputs);
          const nowMs = clock.monotonicMs();
          served = ran.ok;
          if (ran.ok) statistics.ran(1, [0], nowMs - enteredMs, clock.nowMs());
          return ran;
        } finally {
          ticket.value.leave(served);
        }
      };
      const ran = await inTime(clock, enteredMs + deadlineLeftMs, run);
      const tookMs = clock.monotonicMs() - enteredMs;
      statistics.ended(tookMs, ran.ok ? undefined : failReasonOf(ran.error.code));
      return ran.ok ? ok({ outputs: ran.value, parameters: {} }) : ran;
    },
  };
  return ok({ served, load, unload });
}
