// A target: a kind of hardware, what it can spare for a model, and how the agent is set up on it.
// The profiles that ship are typed here; one of your own is a JSON file, checked by the same schema.

import { type AgentConfig, agentConfigSchema } from '@skerry/edge-agent';
import { datatypes, executionProviders } from '@skerry/models';
import { err, failure, nameSchema, ok, type Result } from '@skerry/shared';
import { z } from 'zod';

/** Only the keys that this target sets otherwise than the agent's defaults; values as the agent would read them. */
const agentSchema = z.record(z.string(), z.unknown()).transform((given, context) => {
  const parsed = agentConfigSchema.strict().safeParse(given);
  if (!parsed.success) {
    for (const { path, message } of parsed.error.issues)
      context.addIssue({ code: 'custom', path, message });
    return z.NEVER;
  }
  const entries = Object.entries(parsed.data).filter(([key]) => key in given);
  return Object.fromEntries(entries) as Partial<AgentConfig>;
});

const profileSchema = z.strictObject({
  name: nameSchema,
  description: z.string().min(1),
  /** As Node's `process.arch` and `process.platform` have them; a page has neither. */
  arch: z.enum(['x64', 'arm64', 'wasm32']),
  os: z.enum(['linux', 'browser']),
  cores: z.int().positive(),
  /** In the order of preference. */
  executionProviders: z.array(z.enum(executionProviders)).min(1),
  /** What may go into a stage and come out of it here. */
  datatypes: z.array(z.enum(datatypes)).min(1),
  /** Multiply-accumulates in a second that one inference can count on, with the agent's `threads`. */
  macsPerSecond: z.number().positive(),
  /** What one bundle may take. */
  budget: z.strictObject({
    /** Of the memory that is left beside the agent itself, the system and the app. */
    memoryBytes: z.int().positive(),
    diskBytes: z.int().positive(),
    /** For the edge stages of one request. */
    latencyMs: z.number().positive(),
  }),
  agent: agentSchema,
});

export const targetSchema = profileSchema.refine(
  ({ cores, agent }) => (agent.threads ?? 1) <= cores,
  { path: ['agent', 'threads'], message: 'more threads than the target has cores' },
);

export type Target = z.output<typeof targetSchema>;

/** Fails with `invalid_config` and every problem of the profile. */
export function parseTarget(profile: unknown): Result<Target> {
  const parsed = targetSchema.safeParse(profile);
  if (parsed.success) return ok(parsed.data);
  const problems = parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
  return err(failure('invalid_config', `target profile: ${problems.join('; ')}`));
}

/** The agent's whole configuration on a target. */
export function agentConfigOf({ name, agent }: Target): AgentConfig {
  return agentConfigSchema.parse({ target: name, ...agent });
}
