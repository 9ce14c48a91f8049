// Secure aggregation on a client: it trains or counts first, shows keys, and when its turn comes sends what it has quantised masked. Who
// fails in that never shows keys, so that nobody has to take its masks out. The protocol is sync-protocol's; its state is in
// memory alone, and gone with whoever holds this.

import { err, failure, ok, type Result } from '@skerry/shared';
import { cellName, cellsOf, layoutSize, maskedAnswer } from '@skerry/sync-protocol/learn';
import {
  type ClientPorts,
  createSecureParticipant,
  decodeSecurePlan,
  quantiseInput,
  type SecurePlan,
  type SecurePolicy,
  type SecureSession,
} from '@skerry/sync-protocol/secure-aggregation';
import type { QueryMod, SecureReply, TrainMod } from '../client-app.ts';

export interface MaskPorts extends ClientPorts {
  readonly client: string;
  /** What the device itself insists on. */
  readonly policy: SecurePolicy;
}

export interface Mask {
  readonly train: TrainMod;
  readonly query: QueryMod;
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

  /** Quantises what will be summed, keeps it, and shows keys. */
  const showKeys = (
    session: SecureSession,
    plan: SecurePlan,
    vector: Float32Array,
    examples: number,
  ): Result<SecureReply> => {
    const counted = Math.min(examples, plan.examplesMax);
    const quantised = quantiseInput(plan, vector, counted, ports.cryptography);
    if (!quantised.ok) return quantised;
    const keys = participant.join(session, plan);
    if (!keys.ok) return keys;
    input = quantised.value.words;
    return ok({ type: 'secure', stage: 'keys', payload: keys.value });
  };

  const train: TrainMod = async (message, context, next) => {
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
    return showKeys(session, plan.value, delta, examples);
  };

  const query: QueryMod = async (message, context, next) => {
    const { run, round, attempt, plan } = message;
    lastOpened = context.lastOpened;
    const replied = await next(message, context);
    if (!replied.ok || replied.value.type !== 'queried' || plan.secure === undefined)
      return replied;
    const { examples, values } = replied.value;
    const counts = Array.from(
      { length: cellsOf(plan.question) },
      (_, cell) => values[cellName(cell)] ?? 0,
    );
    const vector = maskedAnswer(counts, plan.secure);
    return showKeys({ run, round, attempt }, plan.secure, vector, examples);
  };

  return {
    train,
    query,
    isOpen: () => !['revealed', 'refused', undefined].includes(participant.stage()),
  };
}
