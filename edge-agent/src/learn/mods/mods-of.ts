// The mods that a plan asks for, in their order: outermost how an update is packed, then what blurs and bounds it, then what a
// device keeps for itself, and innermost what steers the training.

import type { ClientMessage, Mods, TrainMod } from '../client-app.ts';
import { clip } from './clip.ts';
import { controlVariates } from './control-variates.ts';
import { personaliseEvaluate, personaliseTrain } from './personalise.ts';

/** What mods need of the world. */
export interface ModPorts {
  /** Packs an update by its plan's compression; without it only what is not compressed goes up. */
  readonly compress?: TrainMod;
}

export function modsOf(message: ClientMessage, { compress }: ModPorts): Mods {
  if (message.type === 'secure' || message.type === 'query') return {};
  const { plan } = message;
  const train: TrainMod[] = [];
  if (compress !== undefined && plan.compression.kind !== 'none') train.push(compress);
  if (plan.clipNorm !== undefined) train.push(clip(plan.clipNorm));
  const { personal = [] } = plan;
  if (personal.length > 0) train.push(personaliseTrain);
  if (plan.controlVariates) train.push(controlVariates);
  return { train, evaluate: personal.length > 0 ? [personaliseEvaluate] : [] };
}
