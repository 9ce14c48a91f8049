// Local differential privacy: noise in multiples of the norm that the update is clipped to, before it leaves the device. A
// metric would tell of the same examples without noise, so none is sent, and a control variate is refused. How many examples
// and steps there were is sent as it is: the noise does not hide it.

import { err, failure, ok } from '@skerry/shared';
import { addLocalNoise, type RandomBytes } from '@skerry/shared/privacy';
import { changeTrained, type TrainMod } from '../client-app.ts';

/** @param bytes nobody can foresee them: whoever can takes the noise off again */
export const noise = (noiseMultiplier: number, bytes: RandomBytes): TrainMod =>
  changeTrained((reply, { plan: { clipNorm } }) => {
    if (clipNorm === undefined)
      return err(failure('invalid_argument', 'a plan with local noise and nothing to clip to'));
    if (reply.control !== undefined)
      return err(failure('invalid_argument', 'a control variate would tell what the noise hides'));
    const noised = addLocalNoise(reply.delta, { clipNorm, noiseMultiplier }, bytes);
    return noised.ok ? ok({ ...reply, delta: noised.value, metrics: {} }) : noised;
  });
