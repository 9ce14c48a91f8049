// Tells devices what the logs say that they shall run. What is to be said follows from the logs and from what was said
// last, so it is said once, whoever was killed in between and however many coordinators try.

import { type Clock, type Log, ok, type Result } from '@skerry/shared';
import {
  candidateGoal,
  composeAssignment,
  type Goal,
  isCurrent,
  issueName,
  previousGoal,
} from './compose-assignment.ts';
import type { FleetState } from './fleet-state.ts';
import type { Member } from './member.ts';
import type {
  AssignmentSigner,
  AssignmentStore,
  BundleDirectory,
  IssuedAssignment,
  MadeDelta,
  SignedAssignment,
} from './ports.ts';
import type { BundleRef } from './rollout-event.ts';
import type { RolloutState } from './rollout-state.ts';

export interface SayingPorts {
  readonly assignments: AssignmentStore;
  readonly bundles: BundleDirectory;
  readonly signer: AssignmentSigner;
  readonly clock: Clock;
  readonly log: Log;
}

const devicesPerBatch = 500;
/** Of an agent that says nothing of deltas. */
const firstForms: readonly number[] = [1];

/** Returns who need not be told any more: it was said, now or before. The rest is tried again. */
export async function sayIssues(
  ports: SayingPorts,
  state: RolloutState,
  devices: readonly string[],
  fleet: FleetState,
  formsOf: (device: string) => readonly number[] | undefined,
): Promise<Result<readonly string[]>> {
  const said: string[] = [];
  const refs = createRefs(ports.bundles, state);
  for (let from = 0; from < devices.length; from += devicesPerBatch) {
    const batch = devices.slice(from, from + devicesPerBatch);
    const known = await readByDevice(ports.assignments, batch);
    if (!known.ok) return known;
    const composed: IssuedAssignment[] = [];
    for (const device of batch) {
      const member = state.members.get(device);
      const before = known.value.get(device);
      if (
        member === undefined ||
        member.issues === 0 ||
        before?.issues[state.plan.model] === issueName(state.plan.id, member.issues)
      ) {
        said.push(device);
        continue;
      }
      const forms = formsOf(device) ?? firstForms;
      const goal = await goalOf(state, member, forms, refs, ports.clock.nowMs());
      if (!goal.ok) return goal;
      composed.push(composeAssignment(device, before, goal.value, fleet, ports.clock.nowMs()));
    }
    const issued = await signAndIssue(ports, composed);
    if (!issued.ok) return issued;
    said.push(...issued.value);
  }
  return ok(said);
}

/** Tells each of `devices` what now holds for all, where what it was told last does not. Returns how many it were. */
export async function sayFleet(
  ports: SayingPorts,
  devices: readonly string[],
  fleet: FleetState,
): Promise<Result<{ readonly told: number; readonly left: readonly string[] }>> {
  let told = 0;
  const left: string[] = [];
  for (let from = 0; from < devices.length; from += devicesPerBatch) {
    const batch = devices.slice(from, from + devicesPerBatch);
    const known = await readByDevice(ports.assignments, batch);
    if (!known.ok) return known;
    const composed = [...known.value]
      .filter(([, before]) => !isCurrent(before, fleet))
      .map(([device, before]) =>
        composeAssignment(device, before, undefined, fleet, ports.clock.nowMs()),
      );
    const issued = await signAndIssue(ports, composed);
    if (!issued.ok) return issued;
    told += issued.value.length;
    const done = new Set(issued.value);
    for (const { assignment } of composed)
      if (!done.has(assignment.device)) left.push(assignment.device);
  }
  return ok({ told, left });
}

async function readByDevice(
  assignments: AssignmentStore,
  devices: readonly string[],
): Promise<Result<ReadonlyMap<string, IssuedAssignment>>> {
  const read = await assignments.read(devices);
  return read.ok ? ok(new Map(read.value.map((each) => [each.assignment.device, each]))) : read;
}

async function signAndIssue(
  { signer, assignments, clock }: SayingPorts,
  composed: readonly IssuedAssignment[],
): Promise<Result<readonly string[]>> {
  const signed: SignedAssignment[] = [];
  for (const each of composed) {
    const envelope = await signer.sign(each.assignment);
    if (!envelope.ok) return envelope;
    signed.push({ ...each, envelope: envelope.value });
  }
  return signed.length === 0 ? ok([]) : assignments.issue(signed, clock.nowMs());
}

interface Refs {
  previous(digest: string): Promise<Result<BundleRef | undefined>>;
  deltas(): Promise<Result<readonly MadeDelta[]>>;
}

/** Asks the registry once for each bundle: a fleet ran few before. */
function createRefs(bundles: BundleDirectory, { plan, candidate }: RolloutState): Refs {
  const known = new Map<string, BundleRef | undefined>();
  let deltas: readonly MadeDelta[] | undefined;
  return {
    async previous(digest) {
      if (known.has(digest)) return ok(known.get(digest));
      const found = await bundles.byDigest(plan.model, digest);
      if (found.ok) known.set(digest, found.value);
      return found;
    },
    async deltas() {
      if (deltas !== undefined) return ok(deltas);
      const found = await bundles.deltasTo?.(plan.model, candidate.bundle.digest);
      if (found?.ok === false) return found;
      deltas = found?.value ?? [];
      return ok(deltas);
    },
  };
}

async function goalOf(
  state: RolloutState,
  member: Member,
  forms: readonly number[],
  refs: Refs,
  nowMs: number,
): Promise<Result<Goal>> {
  if (member.goal === 'candidate') {
    const deltas = await refs.deltas();
    if (!deltas.ok) return deltas;
    // [DIR3] A delta that it cannot read would cost it the delta's bytes before it takes the whole.
    const read = deltas.value.filter(({ form }) => forms.includes(form));
    return ok(
      candidateGoal(
        state,
        member,
        read.map(({ offer }) => offer),
        nowMs,
      ),
    );
  }
  const previous =
    member.previous === undefined ? ok(undefined) : await refs.previous(member.previous);
  return previous.ok ? ok(previousGoal(state, member, previous.value)) : previous;
}
