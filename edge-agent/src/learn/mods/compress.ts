// Packs an update by its plan's compression. What `top-k` leaves out is kept on the device and added to its next update
// (error feedback), of the update and of the control variate each by itself.

import { ok, type Result } from '@skerry/shared';
import { encodeUpdate, readVector, vectorBytes } from '@skerry/sync-protocol/learn';
import {
  type ClientContext,
  changeTrained,
  type TrainMessage,
  type TrainMod,
} from '../client-app.ts';

export const compress: TrainMod = changeTrained((reply, message, context) => {
  const update = pack(reply.delta, 'residual', message, context);
  if (!update.ok || reply.control === undefined)
    return update.ok ? ok({ ...reply, packed: { bytes: update.value } }) : update;
  const control = pack(reply.control, 'control-residual', message, context);
  if (!control.ok) return control;
  const controlAt = update.value.length;
  const bytes = new Uint8Array(controlAt + control.value.length);
  bytes.set(update.value);
  bytes.set(control.value, controlAt);
  return ok({ ...reply, packed: { bytes, controlAt } });
});

function pack(
  vector: Float32Array,
  slot: string,
  { plan: { layout, compression } }: TrainMessage,
  { state, random }: ClientContext,
): Result<Uint8Array> {
  const kept = state.get(slot);
  const residual = kept && readVector(kept, vector.length);
  const encoded = encodeUpdate(layout, compression, vector, {
    random,
    // Another layout's means nothing here.
    residual: residual?.ok ? residual.value : undefined,
  });
  if (!encoded.ok) return encoded;
  if (encoded.value.residual !== undefined) state.put(slot, vectorBytes(encoded.value.residual));
  return ok(encoded.value.bytes);
}
