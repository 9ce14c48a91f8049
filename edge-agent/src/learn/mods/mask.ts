// Secure aggregation on a client: it trains first, shows keys, and when its turn comes sends the quantised update masked. Who
// fails in training never shows keys, so that nobody has to take its masks out. The protocol is sync-protocol's; its state is in
// memory alone, and gone with whoever holds this.

import { err, failure, ok } from '@skerry/shared';
import { layoutSize } from '@skerry/sync-protocol/learn';
import {
  type ClientPorts,
  createSecureParticipant,
  decodeSecurePlan,
  quantiseInput,
  type SecurePolicy,
} from '@skerry/sync-protocol/secure-aggregation';
import type { TrainMod } from '../client-app.ts';

export interface MaskPorts extends ClientPorts {
  readonly client: string;
  /** What the device itself insists on. */
  readonly policy: SecurePolicy;
}

export interface Mask {
  readonly mod: TrainMod;
  /** An attempt is under way: whoever ends this now is one that drops out. */
  isOpen(): boolean;
}

export function createMask({ client, policy, ...ports }: MaskPorts): Mask {
  let lastOpened = -1;
  let input: Uint32Array | undefined;
  const participant = createSecureParticipant(client, policy, {
    ...ports,
    // Durable with the reply that reveals, which is not sent before. [SEC10]
    opened: { last: () => lastOpened, add: () => ok(undefined) },
  });

  const mod: TrainMod = async (message, context, next) => {
    const { run, round, attempt } = message;
    const session = { run, round, attempt };
    lastOpened = context.lastOpened;
    if (message.type === 'secure') {
      const { stage, payload } = message;
      const reply = participant.take(session, payload, stage === 'input' ? input : undefined);
      if (stage === 'input') input = undefined;
      return reply.ok ? ok({ type: 'secure', stage, payload: reply.value }) : reply;
    }
    if (message.secure === undefined) return next(message, context);
    const plan = decodeSecurePlan(message.secure);
    if (!plan.ok) return plan;
    const { layout, controlVariates } = message.plan;
    if (plan.value.values !== layoutSize(layout) || controlVariates)
      return err(failure('invalid_argument', 'a masked round is of the update, whole and alone'));
    const trained = await next(message, context);
    if (!trained.ok || trained.value.type !== 'trained') return trained;
    const { delta, examples, steps } = trained.value;
    if (steps === 0) return trained;
    const { cryptography } = ports;
    const counted = Math.min(examples, plan.value.examplesMax);
    const quantised = quantiseInput(plan.value, delta, counted, cryptography);
    if (!quantised.ok) return quantised;
    const keys = participant.join(session, plan.value);
    if (!keys.ok) return keys;
    input = quantised.value.words;
    return ok({ type: 'secure', stage: 'keys', payload: keys.value });
  };

  return { mod, isOpen: () => !['revealed', 'refused', undefined].includes(participant.stage()) };
}
