// Runs the kit against one server, case by case, in order.

import { messageOf } from '@skerry/shared';
import { type Case, Mismatch, Skipped, type Target } from './case.ts';
import { binaryCases } from './cases/binary-cases.ts';
import { grpcCases } from './cases/grpc-cases.ts';
import { jsonCases } from './cases/json-cases.ts';
import { servingCases } from './cases/serving-cases.ts';

export interface CaseResult {
  readonly name: string;
  readonly source: Case['source'];
  readonly outcome: 'pass' | 'fail' | 'skip';
  /** Why it failed, or was skipped. */
  readonly why: string;
}

export const cases: readonly Case[] = [...servingCases, ...jsonCases, ...binaryCases, ...grpcCases];

export async function runCases(
  target: Target,
  onResult: (result: CaseResult) => void = () => {},
): Promise<CaseResult[]> {
  const absent = await absentModels(target);
  const results: CaseResult[] = [];
  for (const { name, source, needs = [], run } of cases) {
    const missing = needs.map((model) => target.models[model]).find((model) => absent.has(model));
    const result: CaseResult = {
      name,
      source,
      ...(missing === undefined
        ? await outcomeOf(() => run(target))
        : { outcome: 'skip', why: `no model '${missing}' there` }),
    };
    results.push(result);
    onResult(result);
  }
  return results;
}

async function absentModels({ http, models }: Target): Promise<ReadonlySet<string>> {
  const absent = new Set<string>();
  for (const name of Object.values(models))
    if ((await http(`/v2/models/${name}`)).status !== 200) absent.add(name);
  return absent;
}

async function outcomeOf(run: () => Promise<void>): Promise<Pick<CaseResult, 'outcome' | 'why'>> {
  try {
    await run();
    return { outcome: 'pass', why: '' };
  } catch (thrown) {
    if (thrown instanceof Skipped) return { outcome: 'skip', why: thrown.message };
    const why = messageOf(thrown);
    return { outcome: 'fail', why: thrown instanceof Mismatch ? why : `no answer: ${why}` };
  }
}
