// The mods that a plan asks for, in their order: outermost how an update is packed, then what blurs and bounds it, then what a
// device keeps for itself, and innermost what steers the training.

import { err, failure } from '@skerry/shared';
import type { RandomBytes } from '@skerry/shared/privacy';
import type { ClientMessage, Mods, QueryMod, TrainMod } from '../client-app.ts';
import { clip } from './clip.ts';
import { compress } from './compress.ts';
import { controlVariates } from './control-variates.ts';
import { noise } from './noise.ts';
import { personaliseEvaluate, personaliseTrain } from './personalise.ts';

/** What mods need of the world. */
export interface ModPorts {
  /** Of the platform's CSPRNG. */
  readonly secretBytes: RandomBytes;
  /** Without it no masked round is taken part in. */
  readonly mask?: { readonly train: TrainMod; readonly query: QueryMod } | undefined;
}

export function modsOf(message: ClientMessage, { secretBytes, mask }: ModPorts): Mods {
  if (message.type === 'query')
    return message.plan.secure === undefined ? {} : { query: [mask?.query ?? refuseMasked] };
  if (message.type === 'secure') return { train: [mask?.train ?? refuseMasked] };
  const { clipNorm, localNoise, personal = [], controlVariates: steers = false } = message.plan;
  const train: TrainMod[] = [
    message.type === 'train' && message.secure !== undefined
      ? (mask?.train ?? refuseMasked)
      : compress,
    ...(localNoise === undefined ? [] : [noise(localNoise, secretBytes)]),
    ...(clipNorm === undefined ? [] : [clip(clipNorm)]),
    ...(personal.length === 0 ? [] : [personaliseTrain]),
    ...(steers ? [controlVariates] : []),
  ];
  return { train, evaluate: personal.length === 0 ? [] : [personaliseEvaluate] };
}

const refuseMasked: TrainMod & QueryMod = async () =>
  err(failure('permission_denied', 'a masked round needs an identity that others can verify'));
