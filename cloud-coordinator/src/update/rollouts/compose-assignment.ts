// The whole of what a device shall run, from what it was told last and what one rollout says of one model.

import {
  type Assignment,
  assignedModelsMax,
  assignmentBytesMax,
  type DeltaOffer,
  type ModelAssignment,
} from '@skerry/sync-protocol/update';
import type { FleetState } from './fleet-state.ts';
import type { Member } from './member.ts';
import type { IssuedAssignment } from './ports.ts';
import type { BundleRef } from './rollout-event.ts';
import type { RolloutState } from './rollout-state.ts';

/** What asked for a goal: of this rollout, this device's so many-th. */
export const issueName = (rollout: string, issues: number): string => `${rollout}#${issues}`;

export interface Goal {
  readonly model: string;
  readonly issue: string;
  /** `undefined`: nothing is assigned for the model; what runs goes on, and what was begun ends. */
  readonly assigned: ModelAssignment | undefined;
}

export function composeAssignment(
  device: string,
  before: IssuedAssignment | undefined,
  goal: Goal | undefined,
  fleet: FleetState,
  nowMs: number,
): IssuedAssignment {
  const others = (before?.assignment.models ?? [])
    .filter(({ model }) => model !== goal?.model)
    .map((each) => laterBy(each, nowMs - (before?.assignment.issuedMs ?? nowMs)));
  const assignment: Assignment = {
    schema: 'skerry.assignment/1',
    device,
    counter: (before?.assignment.counter ?? 0) + 1,
    issuedMs: nowMs,
    mode: fleet.stopped === undefined ? 'run' : 'stop',
    models: goal?.assigned === undefined ? others : [...others, goal.assigned],
    quarantined: [...fleet.quarantined.keys()],
  };
  return {
    assignment: withinBounds(assignment, goal?.model),
    issues: { ...before?.issues, ...(goal === undefined ? {} : { [goal.model]: goal.issue }) },
  };
}

/** The same moment to fetch, said again when some of the time until it has gone. */
function laterBy(assigned: ModelAssignment, elapsedMs: number): ModelAssignment {
  const { afterMs, windowMs } = assigned.fetch;
  const leftMs = Math.max(0, afterMs - Math.max(0, elapsedMs));
  return { ...assigned, fetch: { afterMs: leftMs, windowMs } };
}

/** Whether what a device was told last says what now holds for all. */
export function isCurrent({ assignment }: IssuedAssignment, fleet: FleetState): boolean {
  const { mode, quarantined } = assignment;
  return (
    (mode === 'stop') === (fleet.stopped !== undefined) &&
    quarantined.length === fleet.quarantined.size &&
    quarantined.every((bundle) => fleet.quarantined.has(bundle))
  );
}

export function candidateGoal(
  { plan, candidate, phase }: RolloutState,
  member: Member,
  deltas: readonly DeltaOffer[],
  nowMs: number,
): Goal {
  const { progress } = member;
  const at =
    progress.kind === 'issued' || progress.kind === 'under-way'
      ? progress
      : { fetchAtMs: nowMs, activateAtMs: nowMs };
  const exactly = (afterMs: number) => ({ afterMs: Math.max(0, afterMs), windowMs: 0 });
  const { model, variant, device } = plan;
  return {
    model,
    issue: issueName(plan.id, member.issues),
    assigned: {
      model,
      ...candidate,
      ...(variant === undefined ? {} : { variant }),
      rollout: { id: plan.id, wave: Math.max(member.wave, phase.wave) },
      deltas: [...deltas],
      fetch: exactly(at.fetchAtMs - nowMs),
      // From when it is ready to: what it took to get there keeps devices apart already.
      activate: exactly(at.activateAtMs - at.fetchAtMs),
      ...device,
    },
  };
}

/** A factory's bundle is in no registry. The digest is enough for who has it, and nobody else is told of it. */
const unknownRef = (digest = ''): BundleRef => ({
  version: 'factory',
  target: 'factory',
  bundle: { digest, bytes: 1 },
});

/** To what ran before, at once: it lies on the other slot, is trusted, and there is nothing to watch. */
export function previousGoal(
  { plan }: RolloutState,
  member: Member,
  previous: BundleRef | undefined,
): Goal {
  const { model, device } = plan;
  const issue = issueName(plan.id, member.issues);
  if (previous === undefined && member.previous === undefined)
    return { model, issue, assigned: undefined };
  const now = { afterMs: 0, windowMs: 0 };
  return {
    model,
    issue,
    assigned: {
      model,
      ...(previous ?? unknownRef(member.previous)),
      deltas: [],
      fetch: now,
      activate: now,
      metered: 'allow',
      soak: { ...device.soak, forMs: 0, requestsMin: 0 },
      timeouts: device.timeouts,
    },
  };
}

/** A signature, the metadata's name and the envelope's own words. */
const envelopeOverheadBytes = 4_096;
/** In base64. */
const payloadBytesMax = Math.floor(((assignmentBytesMax - envelopeOverheadBytes) * 3) / 4);

/**
 * What no device could take would never be taken. Deltas save bytes and nothing depends on them: those of other models
 * go first, then the last of this one's. Of models more than may be, those that nothing is new of are no longer named:
 * what runs goes on. [ASG2]
 */
function withinBounds(assignment: Assignment, model: string | undefined): Assignment {
  let { models } = assignment;
  if (models.length > assignedModelsMax) models = models.slice(-assignedModelsMax);
  const bytes = (): number => utf8.encode(JSON.stringify({ ...assignment, models })).length;
  if (bytes() > payloadBytesMax)
    models = models.map((each) => (each.model === model ? each : { ...each, deltas: [] }));
  while (bytes() > payloadBytesMax && models.some(({ deltas }) => deltas.length > 0))
    models = models.map((each) => ({ ...each, deltas: each.deltas.slice(0, -1) }));
  return models === assignment.models ? assignment : { ...assignment, models };
}

const utf8 = new TextEncoder();
