// The second role, online (Uptane's director): says which device should run what, among what the offline keys have
// signed. Devices know its keys by the root.

import { type Clock, type DsseEnvelope, err, failure, ok, type Result } from '@skerry/shared';
import { type Signer, signEnvelope } from '@skerry/shared/node';
import { type Assignment, assignmentPayloadType } from '@skerry/sync-protocol/update';
import { keySetOf } from './edit-keys.ts';
import type { TrustRepository } from './repository.ts';

export interface Director {
  /**
   * An assignment's bytes, as they are, by as many of the director's keys as the root asks for. Fails with `unavailable`
   * where they are not here or nothing is published, or as a signer does.
   */
  signAssignment(payload: Uint8Array): Promise<Result<DsseEnvelope>>;
  /** The envelope as it travels. */
  sign(assignment: Assignment): Promise<Result<Uint8Array>>;
}

export interface DirectorPorts {
  readonly repository: Pick<TrustRepository, 'published'>;
  readonly signers: readonly Signer[];
  readonly clock: Clock;
}

/** A fleet's assignments come by the thousand, and a root changes once a year. */
const rootGoodForMs = 5_000;

export function createDirector({ repository, signers, clock }: DirectorPorts): Director {
  let known: { readonly own: readonly Signer[]; readonly atMs: number } | undefined;

  const ownKeys = async (): Promise<Result<readonly Signer[]>> => {
    const nowMs = clock.monotonicMs();
    if (known !== undefined && nowMs - known.atMs < rootGoodForMs) return ok(known.own);
    const published = await repository.published();
    if (!published.ok) return published;
    if (published.value === undefined)
      return err(failure('unavailable', 'nothing is published that could be assigned: tuf init'));
    const { keyids, threshold } = keySetOf(published.value.root.signed, 'director');
    const own = signers.filter(({ keyId }) => keyids.includes(keyId)).slice(0, threshold);
    if (own.length < threshold)
      return err(failure('unavailable', `${own.length} of ${threshold} director's keys are here`));
    known = { own, atMs: nowMs };
    return ok(own);
  };

  const signAssignment = async (payload: Uint8Array): Promise<Result<DsseEnvelope>> => {
    const own = await ownKeys();
    if (!own.ok) return own;
    let envelope: DsseEnvelope | undefined;
    for (const signer of own.value) {
      const signed = await signEnvelope(signer, assignmentPayloadType, payload);
      if (!signed.ok) return signed;
      const before = envelope?.signatures ?? [];
      envelope = { ...signed.value, signatures: [...before, ...signed.value.signatures] };
    }
    return envelope === undefined ? err(failure('unavailable', 'no key')) : ok(envelope);
  };

  return {
    signAssignment,
    async sign(assignment) {
      const payload = new TextEncoder().encode(JSON.stringify(assignment));
      const envelope = await signAssignment(payload);
      return envelope.ok ? ok(new TextEncoder().encode(JSON.stringify(envelope.value))) : envelope;
    },
  };
}
