// Clips an update to an L2 norm on the device, before anybody else sees it.

import { ok } from '@skerry/shared';
import { clipToNorm, l2Norm } from '@skerry/shared/privacy';
import { changeTrained, type TrainMod } from '../client-app.ts';

export const clip = (norm: number): TrainMod =>
  changeTrained((reply) => {
    const before = l2Norm(reply.delta);
    if (!before.ok) return before;
    const delta = clipToNorm(reply.delta, norm);
    if (!delta.ok) return delta;
    const metrics = { ...reply.metrics, clipped: Number(before.value > norm) };
    return ok({ ...reply, delta: delta.value, metrics });
  });
