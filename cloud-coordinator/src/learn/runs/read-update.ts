// An update's bytes, as a device has put them, back into what it adds to the model and to its control variate.

import { err, failure, ok, type Result } from '@skerry/shared';
import {
  decodeUpdate,
  type LearnPlan,
  layoutSize,
  readVector,
  updateBytesMax,
} from '@skerry/sync-protocol/learn';

export interface ReadUpdate {
  readonly delta: Float32Array;
  readonly control?: Float32Array;
}

type Form = Pick<LearnPlan, 'layout' | 'compression' | 'controlVariates'>;

/** Of both parts together. */
export const updateBytesMaxOf = ({ layout, compression, controlVariates }: Form): number =>
  updateBytesMax(layout, compression) * (controlVariates === true ? 2 : 1);

/** Fails with `malformed_message` or `too_large` where it is not what the plan asks for. */
export function readUpdate(
  bytes: Uint8Array,
  { layout, compression, controlVariates = false }: Form,
  controlAt: number | undefined,
): Result<ReadUpdate> {
  if (controlVariates !== (controlAt !== undefined))
    return err(
      failure('malformed_message', `${controlVariates ? 'no' : 'a'} control variate in an update`),
    );
  const read = (part: Uint8Array): Result<Float32Array> => {
    const size = layoutSize(layout);
    // Uncompressed it may be the vector alone. [LRN1]
    return compression.kind === 'none' && part.length === 4 * size
      ? readVector(part, size)
      : decodeUpdate(layout, compression, part);
  };
  const delta = read(bytes.subarray(0, controlAt));
  if (!delta.ok || controlAt === undefined) return delta.ok ? ok({ delta: delta.value }) : delta;
  const control = read(bytes.subarray(controlAt));
  return control.ok ? ok({ delta: delta.value, control: control.value }) : control;
}
