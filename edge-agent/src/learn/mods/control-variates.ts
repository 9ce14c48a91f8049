// SCAFFOLD (arXiv 1910.06378) on a client: it corrects each gradient by c − cᵢ, keeps its own control variate from round to
// round, and tells what it adds to it (option II): cᵢ⁺ − cᵢ = −c − (y − x) / (K η).

import { err, failure, ok } from '@skerry/shared';
import { readVector, vectorBytes } from '@skerry/sync-protocol/learn';
import type { TrainMod } from '../client-app.ts';

const slot = 'control';

export const controlVariates: TrainMod = async (message, context, next) => {
  if (message.type !== 'train') return next(message, context);
  const { control, plan, parameters } = message;
  const size = parameters.length;
  if (control === undefined)
    return err(failure('invalid_argument', 'the server’s control variate did not come'));
  const kept = context.state.get(slot);
  const own = kept === undefined ? ok(new Float32Array(size)) : readVector(kept, size);
  // Another layout's: it begins anew.
  const mine = own.ok ? own.value : new Float32Array(size);
  const correction = control.map((value, i) => value - (mine[i] ?? 0));
  const reply = await next({ ...message, correction }, context);
  if (!reply.ok || reply.value.type !== 'trained' || reply.value.steps === 0) return reply;
  const { delta, steps } = reply.value;
  const scale = 1 / (steps * plan.learningRate);
  const change = delta.map((value, i) => -(control[i] ?? 0) - value * scale);
  context.state.put(slot, vectorBytes(mine.map((value, i) => value + (change[i] ?? 0))));
  return ok({ ...reply.value, control: change });
};
