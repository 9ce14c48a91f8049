// Rollouts as the API shows them: the waves, what the gate has said and says now, and why it stands where it stands.

import { digestSchema, nameSchema } from '@skerry/shared';
import { z } from 'zod';
import {
  evaluateExperiment,
  evaluateGate,
  type FleetState,
  observe,
  type RolloutState,
  tally,
  tallySchema,
  timeToSafe,
  verdictSchema,
} from '../update/rollouts/index.ts';

const countSchema = z.int().nonnegative();
const reasonsSchema = z.array(z.string()).describe('why it stands where it stands, for a person');
/** Of devices that a rollback still owes; the count says how many there are. */
const owedShownMax = 100;

export const phaseSchema = z.object({
  kind: z.enum([
    'awaiting-approval',
    'running',
    'paused',
    'completed',
    'aborted',
    'rolling-back',
    'rolled-back',
  ]),
  wave: countSchema.describe('the first is 0, the canary'),
  sinceMs: countSchema,
  reason: z.string().optional(),
  doneMs: countSchema.optional(),
});

export const rolloutSummarySchema = z.object({
  id: nameSchema,
  model: nameSchema,
  version: z.string(),
  bundle: digestSchema,
  createdMs: countSchema,
  phase: phaseSchema,
  reasons: reasonsSchema,
});
export type RolloutSummary = z.infer<typeof rolloutSummarySchema>;

export const rolloutViewSchema = rolloutSummarySchema.extend({
  waves: z.array(
    z.object({
      approval: z.boolean().describe('somebody must say yes before it begins'),
      devices: tallySchema,
    }),
  ),
  gate: verdictSchema.optional().describe('what it says now, while a wave runs'),
  verdict: verdictSchema
    .extend({ wave: countSchema, atMs: countSchema })
    .optional()
    .describe('the latest that was not hold'),
  experiment: z
    .object({
      candidateDevices: countSchema,
      controlDevices: countSchema,
      mismatch: z.boolean().describe('devices were lost in one arm: nothing else here counts'),
      effects: z.array(
        z.object({
          sign: z.string(),
          devices: countSchema,
          estimate: z.number(),
          lower: z.number(),
          upper: z.number(),
          finding: z.enum(['better', 'worse', 'none-shown']),
        }),
      ),
    })
    .optional(),
  timeToSafe: z
    .object({
      turned: countSchema,
      p50Ms: z.number(),
      p99Ms: z.number(),
      lastMs: z.number(),
      owed: countSchema.describe('devices that are turned when they come back'),
      owedDevices: z.array(nameSchema).max(owedShownMax),
    })
    .optional(),
});
export type RolloutView = z.infer<typeof rolloutViewSchema>;

export const rolloutListSchema = z.object({ rollouts: z.array(rolloutSummarySchema) });

export const fleetViewSchema = z.object({
  stopped: z.object({ by: z.string(), reason: z.string(), atMs: countSchema }).optional(),
  quarantined: z.array(z.object({ bundle: digestSchema, reason: z.string() })),
});

export const whySchema = z.object({ device: nameSchema, reasons: reasonsSchema });

export function summaryOf(state: RolloutState, reasons: readonly string[]): RolloutSummary {
  const { plan, candidate, createdMs, phase } = state;
  return {
    id: plan.id,
    model: plan.model,
    version: candidate.version,
    bundle: candidate.bundle.digest,
    createdMs,
    phase: phaseSchema.parse(phase),
    reasons: [...reasons],
  };
}

/** What of it depends on the devices. */
export function detailsOf(state: RolloutState): Omit<RolloutView, keyof RolloutSummary> {
  const { plan, waves, phase, verdict } = state;
  const experiment = evaluateExperiment(state);
  const safe = timeToSafe(state);
  return {
    waves: waves.map(({ approval }, wave) => ({ approval, devices: tally(state, wave) })),
    ...(phase.kind === 'running' ? { gate: evaluateGate(plan.gate, observe(state)) } : {}),
    ...(verdict === undefined ? {} : { verdict }),
    ...(experiment === undefined
      ? {}
      : { experiment: { ...experiment, effects: [...experiment.effects] } }),
    ...(safe === undefined
      ? {}
      : {
          timeToSafe: {
            ...safe,
            owed: safe.owed.length,
            owedDevices: safe.owed.slice(0, owedShownMax),
          },
        }),
  };
}

export const fleetViewOf = ({ stopped, quarantined }: FleetState) => ({
  ...(stopped === undefined ? {} : { stopped }),
  quarantined: [...quarantined].map(([bundle, reason]) => ({ bundle, reason })),
});
