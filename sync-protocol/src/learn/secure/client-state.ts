// What a client holds at each stage of an attempt. It has secrets, and is never written to disk: secure-participant.ts says
// why.

import type { Failure } from '@skerry/shared';
import type { Cryptography, RoundSigner, RoundVerifier } from './cryptography.ts';
import type { Member } from './secure-messages.ts';
import type { Adversary, SecurePlan, SecureSession } from './secure-plan.ts';
import type { NamedKeys } from './transcript.ts';

/** What the device itself insists on, whatever a plan says. */
export interface SecurePolicy {
  readonly thresholdMin: number;
  /** `active`: a plan against a curious server alone is refused. */
  readonly adversary: Adversary;
}

export interface ClientPorts {
  readonly cryptography: Cryptography;
  readonly signer: RoundSigner;
  readonly verifier: RoundVerifier;
}

/** Of one attempt: never used before, never again. */
export interface Secrets {
  readonly channel: Uint8Array;
  readonly mask: Uint8Array;
  /** Of the mask that nobody shares. */
  readonly seed: Uint8Array;
}

/** What this client holds for another: a share of its seed, and one of its mask key. */
export interface HeldShares {
  readonly seed: Uint8Array;
  readonly maskKey: Uint8Array;
}

export interface Own {
  readonly session: SecureSession;
  readonly plan: SecurePlan;
  readonly keys: NamedKeys;
}

export type ClientState =
  | (Own & { readonly stage: 'joined'; readonly secrets: Secrets })
  | (Own & {
      readonly stage: 'shared';
      readonly secrets: Secrets;
      /** U1: who has shown keys. */
      readonly members: readonly Member[];
      readonly held: HeldShares;
    })
  | (Own & {
      readonly stage: 'masked';
      readonly members: readonly Member[];
      /** By client of U2, who has dealt shares; `undefined` where they could not be read. */
      readonly held: ReadonlyMap<string, HeldShares | undefined>;
    })
  | (Own & {
      readonly stage: 'signed';
      readonly members: readonly Member[];
      readonly held: ReadonlyMap<string, HeldShares | undefined>;
      /** U3: whose vectors are in the sum. */
      readonly survivors: readonly string[];
    })
  | (Own & { readonly stage: 'revealed' })
  | (Own & { readonly stage: 'refused'; readonly reason: Failure });

export type At<S extends ClientState['stage']> = Extract<ClientState, { stage: S }>;

/** The secrets that a state holds are overwritten: as good as a garbage-collected language can forget. */
export function forgetSecrets(state: ClientState): void {
  if ('secrets' in state) for (const secret of Object.values(state.secrets)) secret.fill(0);
}
