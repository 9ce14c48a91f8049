// `npm run conformance -- [URL] [--grpc HOST:PORT] [--simple NAME …]`: holds a server against the Open Inference Protocol and prints a
// table; without a URL, both of ours. Ends with 1 where a case fails.

import { parseArgs } from 'node:util';
import { messageOf } from '@skerry/shared';
import { renderTable } from '../../bench/table.ts';
import { type ModelNames, modelNames } from './case.ts';
import { createGrpcClient } from './grpc.ts';
import { createHttpClient } from './http.ts';
import { grpcOf, startOurServers } from './our-servers.ts';
import { type CaseResult, runCases } from './run-cases.ts';

const write = (text: string): void => void process.stdout.write(`${text}\n`);
const kebab = (key: string): string => key.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`);
const keys = Object.keys(modelNames) as (keyof ModelNames)[];

async function main(): Promise<number> {
  const flags = ['grpc', ...keys.map(kebab)];
  const options = Object.fromEntries(flags.map((flag) => [flag, { type: 'string' as const }]));
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  const models = Object.fromEntries(
    keys.map((key) => [key, values[kebab(key)] ?? modelNames[key]]),
  ) as unknown as ModelNames;
  const [url] = positionals;
  if (url !== undefined) return judge(url, url, values['grpc'], models);
  const ours = await startOurServers();
  try {
    const failed = await judge('edge-agent', ours.agent.httpUrl, grpcOf(ours.agent), models);
    return (
      failed +
      (await judge('cloud-coordinator', ours.coordinator.httpUrl, grpcOf(ours.coordinator), models))
    );
  } finally {
    await ours.close();
  }
}

/** Prints the table of one server and returns how many cases failed. */
async function judge(
  name: string,
  url: string,
  grpcAddress: string | undefined,
  models: ModelNames,
): Promise<number> {
  const http = createHttpClient(url);
  const grpc = grpcAddress === undefined ? undefined : createGrpcClient(grpcAddress);
  const results = await runCases({ http, models, ...(grpc === undefined ? {} : { grpc }) });
  http.close();
  grpc?.close();
  const count = (outcome: CaseResult['outcome']): number =>
    results.filter((result) => result.outcome === outcome).length;
  write(`\nOpen Inference Protocol: ${name}`);
  write(
    renderTable(
      ['case', 'from', 'result', 'why'],
      results.map(({ name, source, outcome, why }) => [name, source, outcome, why]),
    ),
  );
  write(
    `${count('pass')} of ${results.length} pass, ${count('fail')} fail, ${count('skip')} skipped`,
  );
  return count('fail');
}

process.exitCode = await main().then(
  (failed) => (failed === 0 ? 0 : 1),
  (thrown: unknown) => {
    process.stderr.write(`${messageOf(thrown)}\n`);
    return 1;
  },
);
