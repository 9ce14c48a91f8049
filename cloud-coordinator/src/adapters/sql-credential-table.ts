// CredentialTable in SQL.

import { defaultSite, ok } from '@skerry/shared';
import { attempt } from '@skerry/shared/node';
import { type Kysely, sql } from 'kysely';
import { type CredentialTable, expiredKeptMs } from '../fleet/enrolment.ts';
import type { Schema } from './schema.ts';

export function createSqlCredentialTable(db: Kysely<Schema>): CredentialTable {
  return {
    addToken: ({ sha256, device, site, expiresMs }, nowMs) =>
      attempt(async () => {
        await db.deleteFrom('join_token').where('expires_ms', '<=', nowMs).execute();
        await db
          .insertInto('join_token')
          .values({
            sha256,
            device: device ?? null,
            site: site ?? null,
            expires_ms: expiresMs,
            spent_by: null,
          })
          .execute();
      }),

    async spendToken(sha256, { device, key, boundOnly }, nowMs) {
      // One statement, so that of two who come at once one alone is first.
      const spent = await attempt(() =>
        db
          .updateTable('join_token')
          .set({ spent_by: key })
          .where('sha256', '=', sha256)
          .where('expires_ms', '>', nowMs)
          .where((e) => e.or([e('spent_by', 'is', null), e('spent_by', '=', key)]))
          .where((e) =>
            boundOnly
              ? e('device', '=', device)
              : e.or([e('device', 'is', null), e('device', '=', device)]),
          )
          .returningAll()
          .executeTakeFirst(),
      );
      if (!spent.ok || spent.value === undefined) return spent.ok ? ok(undefined) : spent;
      const { device: bound, site, expires_ms } = spent.value;
      return ok({
        sha256,
        device: bound ?? undefined,
        site: site ?? undefined,
        expiresMs: expires_ms,
      });
    },

    addCertificate: ({ serial, device, site, key, notAfterMs, renews }, nowMs) =>
      attempt(async () => {
        await db
          .insertInto('certificate')
          .values({
            serial,
            device,
            site,
            enrolment:
              renews === undefined ? nextEnrolment(device, key) : enrolmentOf(device, renews),
            key_sha256: key,
            not_after_ms: notAfterMs,
            revoked_ms: null,
          })
          .execute();
        await db
          .deleteFrom('certificate')
          .where('device', '=', device)
          .where('not_after_ms', '<', nowMs - expiredKeptMs)
          .where(({ exists, selectFrom }) =>
            exists(
              selectFrom('certificate as newer')
                .select('newer.serial')
                .whereRef('newer.device', '=', 'certificate.device')
                .whereRef('newer.enrolment', '>=', 'certificate.enrolment')
                .whereRef('newer.not_after_ms', '>', 'certificate.not_after_ms'),
            ),
          )
          .execute();
      }),

    async isReplaced(device, serial) {
      const row = await attempt(() =>
        db
          .selectFrom('certificate')
          .select('serial')
          .where('device', '=', device)
          .where('enrolment', '>', enrolmentOf(device, serial))
          .limit(1)
          .executeTakeFirst(),
      );
      return row.ok ? ok(row.value !== undefined) : row;
    },

    async isTaken(device, key, nowMs) {
      const row = await attempt(() =>
        db
          .selectFrom('certificate')
          .select('serial')
          .where('device', '=', device)
          .where('key_sha256', '!=', key)
          .where('not_after_ms', '>', nowMs)
          .where('revoked_ms', 'is', null)
          .limit(1)
          .executeTakeFirst(),
      );
      return row.ok ? ok(row.value !== undefined) : row;
    },

    async siteOf(device, nowMs) {
      const row = await attempt(() =>
        db
          .selectFrom('certificate')
          .select('site')
          .where('device', '=', device)
          .where('not_after_ms', '>', nowMs)
          .where('revoked_ms', 'is', null)
          .orderBy('enrolment', 'desc')
          .orderBy('not_after_ms', 'desc')
          .limit(1)
          .executeTakeFirst(),
      );
      return row.ok ? ok(row.value && (row.value.site ?? defaultSite)) : row;
    },

    revoke: (device, nowMs) =>
      attempt(async () => {
        const { numUpdatedRows } = await db
          .updateTable('certificate')
          .set({ revoked_ms: nowMs })
          .where('device', '=', device)
          .where('revoked_ms', 'is', null)
          .executeTakeFirst();
        return Number(numUpdatedRows);
      }),

    async revoked(nowMs) {
      const rows = await attempt(() =>
        db
          .selectFrom('certificate')
          .select(['serial', 'device', 'revoked_ms'])
          .where('revoked_ms', 'is not', null)
          .where('not_after_ms', '>', nowMs)
          .execute(),
      );
      if (!rows.ok) return rows;
      return ok(
        rows.value.map(({ serial, device, revoked_ms }) => {
          return { serial, device, revokedMs: revoked_ms ?? nowMs };
        }),
      );
    },
  };
}

/** The same key may enrol again, for a reply may be lost: that is one enrolment. [IDN1] */
const nextEnrolment = (device: string, key: string) =>
  sql<number>`(SELECT coalesce(
    max(CASE WHEN key_sha256 = ${key} AND enrolment > 0 THEN enrolment ELSE enrolment + 1 END), 1)
    FROM certificate WHERE device = ${device})`;

/** The last one's where the certificate is not known, as after a backup of the database was restored. */
const enrolmentOf = (device: string, serial: string) =>
  sql<number>`(SELECT coalesce(
    (SELECT enrolment FROM certificate WHERE serial = ${serial}),
    (SELECT max(enrolment) FROM certificate WHERE device = ${device}), 0))`;
