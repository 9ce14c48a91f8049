// What lies beside the bundles in slots, brought up to date at start: a slot of an older version has no evidence, and is
// judged by metadata that may say nothing of it tomorrow; older evidence needs what this disk remembers of roots.

import { bundleTargetPath } from '@skerry/models';
import type { Log, Result } from '@skerry/shared';
import { ok } from '@skerry/shared';
import type { ManagedModel } from './managed-model.ts';
import type { ModelSlots, UpdateTrust } from './update-ports.ts';
import { type Content, contentOf, type Slot } from './update-record.ts';

interface EvidencePorts {
  readonly slots: Pick<ModelSlots, 'readEvidence' | 'writeEvidence'>;
  readonly trust: Pick<UpdateTrust, 'evidence' | 'verifyEvidence'>;
  readonly log: Log;
}

/** [UPD22] Of both slots, for a rollback may go to either. What is not proven stays as it is. */
export async function keepEvidence(
  { name, update }: Pick<ManagedModel, 'name' | 'update'>,
  ports: EvidencePorts,
): Promise<void> {
  for (const slot of ['a', 'b'] as const) {
    const content = contentOf(update, slot);
    if (content === undefined) continue;
    const kept = await keepOne(name, slot, content, ports);
    if (!kept.ok) ports.log.warn({ model: name, slot, code: kept.error.code }, kept.error.message);
  }
}

async function keepOne(
  model: string,
  slot: Slot,
  { version, bundle }: Content,
  { slots, trust, log }: EvidencePorts,
): Promise<Result<void>> {
  const before = await slots.readEvidence(model, slot);
  if (!before.ok) return before;
  const path = bundleTargetPath(model, version);
  const evidence = await trust.evidence(path, before.value);
  if (!evidence.ok) return evidence;
  const isThere = before.value && Buffer.from(before.value).equals(evidence.value);
  if (isThere) return ok(undefined);
  const proven = await trust.verifyEvidence(evidence.value, path, bundle);
  if (!proven.ok) return proven;
  const written = await slots.writeEvidence(model, slot, evidence.value);
  if (written.ok) log.info({ model, slot }, 'the evidence that it was signed lies beside it now');
  return written;
}
