// What is durable of one model's update: where it stands, what lies in which place, and what was tried. update-state.ts
// alone changes it.

import type { BlobRef } from '@skerry/sync-protocol/blobs';
import type { Arm, Health, ModelAssignment, UpdateReport } from '@skerry/sync-protocol/update';

/** Two slots on disk, and the bundle that the device was configured with: the last resort. */
export type Slot = 'a' | 'b';
export type Place = Slot | 'factory';

/** What lies in a place. */
export interface Content {
  readonly bundle: string;
  readonly version: string;
  /** The build's name. */
  readonly variant: string;
  /** It has been confirmed here. */
  readonly confirmed?: true;
}

/** Why, and whose fault: a `device`'s may pass, a `bundle`'s does not, and against a `director`'s word nothing helps. */
export const reasonCodes = {
  timeout: 'device',
  storage: 'device',
  link: 'device',
  damaged: 'device',
  'insufficient-data': 'device',
  'self-test': 'bundle',
  shadow: 'bundle',
  health: 'bundle',
  'crash-loop': 'bundle',
  forbidden: 'director',
  stopped: 'director',
  quarantined: 'director',
  untrusted: 'director',
  misfit: 'director',
  attempts: 'device',
} as const satisfies Record<string, 'device' | 'bundle' | 'director'>;
export type ReasonCode = keyof typeof reasonCodes;

export interface Reason {
  readonly code: ReasonCode;
  readonly message: string;
}

/** See odometer.ts: time that needs no clock. */
export interface Moment {
  /** While the agent ran. */
  readonly ranMs: number;
  /** And while it did not, as far as the wall clock can be believed. */
  readonly passedMs: number;
}

/** Which try of which bundle, for reports. */
export interface About {
  readonly bundle: string;
  readonly version: string;
  readonly counter: number;
  readonly attempt: number;
  readonly rollout?: string;
}

export interface Goal extends About {
  readonly terms: ModelAssignment;
  /** When the director signed it, by his clock. */
  readonly issuedMs: number;
  readonly taken: Moment;
  /** Drawn once, within the assignment's windows. */
  readonly fetchDelayMs: number;
  readonly activateDelayMs: number;
  /** Of the assignment's experiment. */
  readonly arm?: Arm;
  /** TUF metadata that came with the assignment. */
  readonly metadata?: BlobRef;
}

export type Moved = NonNullable<UpdateReport['moved']>;

/** By what a candidate was judged. */
export interface Evidence {
  readonly health?: Health;
  readonly baseline?: Health;
}

/** What is known later stands before what was known; that it has run in the shadow, and how, stays known. */
export function addEvidence(before: Evidence, later: Evidence): Evidence {
  const shadow = before.health?.shadow;
  const { health } = later;
  return {
    ...before,
    ...later,
    ...(health && shadow ? { health: { shadow, ...health } } : {}),
  };
}

interface UnderWay {
  readonly goal: Goal;
  readonly since: Moment;
}

interface Held extends UnderWay {
  readonly slot: Place;
  readonly moved: Moved;
}

interface Ended {
  readonly goal: About;
  readonly since: Moment;
  readonly reason: Reason;
}

export type UpdateRecord =
  | { readonly kind: 'idle' }
  /** `evidence`: in the arm of an experiment that keeps what runs, how that is: before, and in the end since. */
  | (UnderWay & { readonly kind: 'assigned'; readonly evidence?: Evidence })
  | (UnderWay & { readonly kind: 'fetching' })
  /** All bytes are here and are what they should be; the slot is cleared for them. */
  | (Held & { readonly kind: 'verified'; readonly slot: Slot; readonly content: Content })
  | (Held & { readonly kind: 'staged' })
  | (Held & { readonly kind: 'shadowing' })
  | (Held & { readonly kind: 'activating'; readonly evidence: Evidence })
  | (Held & {
      readonly kind: 'soaking';
      readonly evidence: Evidence;
      /** Of the process while it soaks, in a row: since the last life that lasted, and but for those that ended by a stop. */
      readonly restarts?: number;
    })
  | (UnderWay & { readonly kind: 'confirmed'; readonly moved: Moved; readonly evidence: Evidence })
  | (Ended & {
      readonly kind: 'rolled-back';
      readonly goal: Goal;
      /** It has answered apps: not to be confirmed says something of it. */
      readonly ran: boolean;
      readonly evidence: Evidence;
    })
  | (Ended & { readonly kind: 'refused' })
  | (Ended & { readonly kind: 'stopped' })
  | (Ended & { readonly kind: 'quarantined' });

export interface ModelUpdate {
  readonly state: UpdateRecord;
  readonly slots: Readonly<Partial<Record<Slot, Content>>>;
  readonly factory: Content | undefined;
  readonly active: Place;
  /** What was active before it: last known good. */
  readonly previous?: Place;
  /** Tries of bundles, newest last. */
  readonly attempts: readonly Attempts[];
  /** Bundles that this device will not try again, newest last. */
  readonly quarantined: readonly string[];
  /** Of these, what is there for a crash loop, which may have had another cause: the director may release it. */
  readonly looped?: readonly string[];
  /** The director's. */
  readonly forbidden: readonly string[];
}

export interface Attempts {
  readonly bundle: string;
  readonly rollout: string | undefined;
  readonly count: number;
}

export const initialUpdate = (factory: Content | undefined): ModelUpdate => ({
  state: { kind: 'idle' },
  slots: {},
  factory,
  active: 'factory',
  attempts: [],
  quarantined: [],
  forbidden: [],
});

export const contentOf = (update: ModelUpdate, place: Place): Content | undefined =>
  place === 'factory' ? update.factory : update.slots[place];

export const isBarred = (update: ModelUpdate, bundle: string): boolean =>
  update.quarantined.includes(bundle) || update.forbidden.includes(bundle);

const underWayKinds = [
  'assigned',
  'fetching',
  'verified',
  'staged',
  'shadowing',
  'activating',
  'soaking',
] as const;
export type UnderWayState = Extract<UpdateRecord, { kind: (typeof underWayKinds)[number] }>;
export const isUnderWay = (state: UpdateRecord): state is UnderWayState =>
  (underWayKinds as readonly string[]).includes(state.kind);

/**
 * Where to go from `from`: the place before it, a slot that was confirmed, the factory, and last what nobody has judged;
 * none that is barred.
 */
export function placesBehind(update: ModelUpdate, from: Place): readonly Place[] {
  const confirmed = (['a', 'b'] as const).filter((slot) => update.slots[slot]?.confirmed);
  const order: readonly (Place | undefined)[] = [
    update.previous,
    ...confirmed,
    'factory',
    'a',
    'b',
  ];
  const isUnjudged = (place: Place): boolean =>
    place !== 'factory' && update.slots[place]?.confirmed !== true;
  return [...new Set(order)]
    .filter((place): place is Place => {
      if (place === undefined || place === from) return false;
      const content = contentOf(update, place);
      return content !== undefined && !isBarred(update, content.bundle);
    })
    .toSorted((one, other) => Number(isUnjudged(one)) - Number(isUnjudged(other)));
}

/** Where nothing else is left. */
export const barredPlaces = (update: ModelUpdate): readonly Place[] =>
  (['factory', 'a', 'b'] as const).filter((place) => {
    const content = contentOf(update, place);
    return content !== undefined && isBarred(update, content.bundle);
  });

/** The slot that a candidate may take: never the active one, nor, where there is a choice, the one before it. */
export function freeSlot({ active, previous }: ModelUpdate): Slot {
  if (active !== 'factory') return active === 'a' ? 'b' : 'a';
  return previous === 'a' ? 'b' : 'a';
}
