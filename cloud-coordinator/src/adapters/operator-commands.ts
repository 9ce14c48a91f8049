// What an operator does beside the running coordinator, in its data folder: a token for a new device, an end for a lost
// one, a configuration for Mosquitto. The coordinator sees it in the database.

import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import {
  countSchema,
  type Failure,
  listSchema,
  nameSchema,
  ok,
  portSchema,
  type Result,
} from '@skerry/shared';
import {
  attempt,
  isLoopback,
  loadProcessConfig,
  sha256,
  systemClock,
  writePrivateFile,
  writeWholeFile,
} from '@skerry/shared/node';
import { z } from 'zod';
import { type CredentialTable, createJoinToken } from '../fleet/enrolment.ts';
import { dataDirSchema, instanceName, instancesMax } from '../fleet/instances.ts';
import { mosquittoAccessList, mosquittoConfig, mosquittoFiles } from '../fleet/mosquitto-config.ts';
import { type OperatorTable, operatorRoles, sharedOperator } from '../fleet/operators.ts';
import { openSqlite } from './open-sqlite.ts';
import { createSqlCredentialTable } from './sql-credential-table.ts';
import { createSqlOperatorTable } from './sql-operator-table.ts';
import { openAuthority, type X509Authority } from './x509-authority.ts';

const hourMs = 3_600_000;
const secretBytes = 32;

interface Opened {
  readonly authority: X509Authority;
  readonly table: CredentialTable;
  readonly operators: OperatorTable;
  readonly nowMs: number;
}

const folder = { dataDir: dataDirSchema };
const tokenSchema = z.object({
  ...folder,
  device: nameSchema.optional(),
  site: nameSchema.optional(),
  hours: countSchema(1, 24 * 365).default(24),
});
const revokeSchema = z.object({ ...folder, device: nameSchema });
const mosquittoSchema = z.object({
  ...folder,
  out: z.string().min(1),
  host: z.string().default('0.0.0.0'),
  port: portSchema.default(8883),
  /** Under which devices and coordinators reach the broker. */
  names: listSchema.prefault('localhost,127.0.0.1'),
});

const operatorSchema = z.object({
  ...folder,
  name: nameSchema
    .refine((name) => name !== sharedOperator, `${sharedOperator} is who shows the fleet’s token`)
    .describe('by which what they do is recorded'),
  role: z.enum([...operatorRoles, 'none']).describe('none takes their token away'),
});

/** Each prints its result; the text that comes back is for standard output. */
export const operatorCommands = {
  token: (argv: readonly string[]) =>
    run(tokenSchema, argv, ({ device, site, hours }, { authority, table }) => {
      const secret = randomBytes(secretBytes).toString('base64url');
      const ports = { authority, table, clock: systemClock, sha256: hashText };
      return createJoinToken({ secret, device, site, lifeMs: hours * hourMs }, ports);
    }),

  revoke: (argv: readonly string[]) =>
    run(revokeSchema, argv, async ({ device }, { table, nowMs }) => {
      const revoked = await table.revoke(device, nowMs);
      return revoked.ok ? ok(`${revoked.value} certificates of ${device} revoked`) : revoked;
    }),

  operator: (argv: readonly string[]) =>
    run(operatorSchema, argv, async ({ name, role }, { operators, nowMs }) => {
      if (role === 'none') {
        const removed = await operators.remove(name);
        if (!removed.ok) return removed;
        return ok(removed.value ? `${name} is no operator any more` : `${name} was none`);
      }
      const secret = randomBytes(secretBytes).toString('base64url');
      const put = await operators.put({ name, role, sha256: hashText(secret) }, nowMs);
      return put.ok ? ok(secret) : put;
    }),

  'mosquitto-config': (argv: readonly string[]) =>
    run(mosquittoSchema, argv, async ({ out, host, port, names }, { authority, table, nowMs }) => {
      const revoked = await table.revoked(nowMs);
      if (!revoked.ok) return revoked;
      return attempt(async () => {
        const coordinators = Array.from({ length: instancesMax }, (_, i) => instanceName(i));
        const settings = { folder: resolve(out), host, port, coordinators };
        mkdirSync(out, { recursive: true });
        const server = await authority.issueServer(
          isLoopback(host) ? [...names, host] : names,
          nowMs,
        );
        const at = mosquittoFiles;
        writePrivateFile(join(out, at.key), server.key);
        const open = {
          [at.authority]: authority.certificate,
          [at.certificate]: server.cert,
          [at.revoked]: await authority.revocationList(revoked.value, nowMs),
          [at.accessList]: mosquittoAccessList(settings),
          [at.config]: mosquittoConfig(settings),
        };
        for (const [name, text] of Object.entries(open)) writeWholeFile(join(out, name), text);
        chmodSync(join(out, at.accessList), 0o644);
        // Loaded here, for it brings a client of MQTT along.
        const { reloadMosquitto } = await import('./mosquitto-revocations.ts');
        reloadMosquitto(out); // Where one runs by it already.
        return join(settings.folder, at.config);
      });
    }),
} as const;

export const hashText = (text: string): string => sha256(new TextEncoder().encode(text));

async function run<S extends z.ZodObject<typeof folder>>(
  schema: S,
  argv: readonly string[],
  act: (options: z.output<S>, opened: Opened) => Promise<Result<string>>,
): Promise<Result<string, Failure>> {
  const options = loadProcessConfig(schema, argv, {});
  if (!options.ok) return options;
  const { dataDir } = options.value as { dataDir: string };
  const nowMs = systemClock.nowMs();
  const database = await openSqlite(databaseFile(dataDir));
  if (!database.ok) return database;
  try {
    const authority = await openAuthority(dataDir, nowMs);
    if (!authority.ok) return authority;
    const table = createSqlCredentialTable(database.value);
    const operators = createSqlOperatorTable(database.value);
    return await act(options.value, { authority: authority.value, table, operators, nowMs });
  } finally {
    await database.value.destroy();
  }
}

export const databaseFile = (dataDir: string): string => join(dataDir, 'coordinator.sqlite');
