import { createHash, X509Certificate as NodeCertificate, webcrypto } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Pkcs10CertificateRequestGenerator, X509Certificate } from '@peculiar/x509';
import { assert, silentLog } from '@skerry/shared';
import { createVirtualClock, type VirtualClock } from '@skerry/sync-protocol/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openSqlite } from '../adapters/open-sqlite.ts';
import { createSqlCredentialTable } from '../adapters/sql-credential-table.ts';
import { openAuthority } from '../adapters/x509-authority.ts';
import { createEnrolment, createJoinToken, expiredKeptMs } from './enrolment.ts';
import { openRevocations } from './revocations.ts';

const hourMs = 3_600_000;
const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

const startMs = Date.UTC(2026, 0, 1);

function advance(clock: VirtualClock, ms: number): void {
  const untilMs = clock.nowMs() + ms;
  while (clock.runNext(untilMs));
}

async function newRequest(device: string): Promise<string> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const request = await Pkcs10CertificateRequestGenerator.create({
    name: `CN=${device}`,
    keys,
    signingAlgorithm: algorithm,
  });
  return request.toString('pem');
}

async function fresh() {
  const folder = mkdtempSync(join(tmpdir(), 'skerry-enrolment-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const clock = createVirtualClock(startMs);
  const authority = await openAuthority(folder, clock.nowMs());
  const database = await openSqlite(':memory:');
  assert(authority.ok && database.ok, 'opened');
  onTestFinished(() => database.value.destroy());
  const table = createSqlCredentialTable(database.value);
  const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
  const ports = { authority: authority.value, table, clock, sha256 };
  let tokens = 0;
  const newToken = async (bound: { device?: string; site?: string } = {}) => {
    const secret = Buffer.alloc(32, ++tokens).toString('base64url');
    const token = await createJoinToken({ secret, lifeMs: hourMs, ...bound }, ports);
    assert(token.ok, 'a token');
    return token.value;
  };
  return {
    ...createEnrolment(24 * hourMs, ports),
    newToken,
    clock,
    table,
    database: database.value,
  };
}

/** As a listener reads it from what a device shows. */
function shownBy(certificate: string) {
  const { subject, serialNumber } = new X509Certificate(certificate);
  const { CN: device = '', OU: site = '' } = Object.fromEntries(
    subject.split(', ').map((part) => part.split('=')),
  ) as Record<string, string>;
  return { device, site, serial: serialNumber.toLowerCase() };
}

const refused = { ok: false, error: { code: 'unauthenticated' } };

describe('enrolment', () => {
  it('[IDN1] a token serves once, and again for the same key alone', async () => {
    const { enrol, newToken, database } = await fresh();
    const token = await newToken({ site: 'harbour' });
    const request = await newRequest('box-1');
    const first = await enrol(token, request);
    assert(first.ok, 'enrolled');
    const certificate = new X509Certificate(first.value.certificate);
    expect(certificate.subject).toBe('CN=box-1, OU=harbour');
    expect(await enrol(token, request)).toMatchObject({ ok: true });
    expect(await enrol(token, await newRequest('box-2'))).toMatchObject(refused);
    const stored = JSON.stringify(await database.selectFrom('join_token').selectAll().execute());
    expect(stored).not.toContain(token.split('.')[1]);
  });

  it('[IDN1] a token ends with its time, and serves the device it is bound to', async () => {
    const { enrol, newToken, clock } = await fresh();
    const bound = await newToken({ device: 'box-1' });
    expect(await enrol(bound, await newRequest('box-2'))).toMatchObject(refused);
    expect(await enrol(bound, await newRequest('box-1'))).toMatchObject({ ok: true });
    const late = await newToken();
    advance(clock, hourMs);
    expect(await enrol(late, await newRequest('box-3'))).toMatchObject(refused);
  });

  it('[RLY5] a device’s certificate is for a relay too, and vouches for no host, whatever the device is called', async () => {
    const { enrol, newToken } = await fresh();
    const enrolled = await enrol(await newToken(), await newRequest('cloud.example'));
    assert(enrolled.ok, 'enrolled');
    const certificate = new NodeCertificate(enrolled.value.certificate);
    expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.2', '1.3.6.1.5.5.7.3.1']); // RFC 5280 §4.2.1.12.
    expect(certificate.checkHost('cloud.example')).toBeUndefined();
    expect(certificate.checkHost('cloud.example.invalid')).toBe('cloud.example.invalid');
  });

  it('[IDN12] a certificate is of the site that its token names, or of `default`; the newest good one counts', async () => {
    const { enrol, renew, newToken, table, clock } = await fresh();
    const siteOf = (device: string) => table.siteOf(device, clock.nowMs());
    expect(await siteOf('box-1')).toEqual({ ok: true, value: undefined });
    const first = await enrol(await newToken(), await newRequest('box-1'));
    assert(first.ok, 'enrolled');
    expect(new X509Certificate(first.value.certificate).subject).toBe('CN=box-1, OU=default');
    expect(await siteOf('box-1')).toEqual({ ok: true, value: 'default' });
    advance(clock, 1_000);
    const moves = await newToken({ device: 'box-1', site: 'harbour' });
    const second = await enrol(moves, await newRequest('box-1'));
    assert(second.ok, 'enrolled again');
    expect(await siteOf('box-1')).toEqual({ ok: true, value: 'harbour' });
    advance(clock, 1_000);
    const harbour = shownBy(second.value.certificate);
    expect(await renew(harbour, await newRequest('box-1'))).toMatchObject({ ok: true });
    expect(await siteOf('box-1')).toEqual({ ok: true, value: 'harbour' });
    await table.revoke('box-1', clock.nowMs());
    expect(await siteOf('box-1')).toEqual({ ok: true, value: undefined });
  });

  it('[IDN4] a name that is enrolled goes to another key by a token bound to it alone', async () => {
    const { enrol, newToken } = await fresh();
    expect(await enrol(await newToken(), await newRequest('box-1'))).toMatchObject({ ok: true });
    expect(await enrol(await newToken(), await newRequest('box-1'))).toMatchObject(refused);
    const bound = await newToken({ device: 'box-1' });
    expect(await enrol(bound, await newRequest('box-1'))).toMatchObject({ ok: true });
  });

  it('[IDN15] a certificate of a former enrolment is not renewed; one whose renewal’s reply was lost is', async () => {
    const { enrol, renew, newToken, table, clock } = await fresh();
    const siteOf = (device: string) => table.siteOf(device, clock.nowMs());
    const first = await enrol(await newToken({ site: 'quay' }), await newRequest('box-1'));
    assert(first.ok, 'enrolled');
    const quay = shownBy(first.value.certificate);
    const renewed = await renew(quay, await newRequest('box-1'));
    assert(renewed.ok, 'renewed');
    const lost = await renew(quay, await newRequest('box-1'));
    expect(lost).toMatchObject({ ok: true });

    const moves = await newToken({ device: 'box-1', site: 'harbour' });
    const request = await newRequest('box-1');
    const second = await enrol(moves, request);
    assert(second.ok, 'enrolled again');
    // Its reply was lost: what the first one brought is as good.
    expect(await enrol(moves, request)).toMatchObject({ ok: true });
    advance(clock, hourMs);
    for (const certificate of [first.value.certificate, renewed.value.certificate]) {
      const old = await renew(shownBy(certificate), await newRequest('box-1'));
      expect(old).toMatchObject({ error: { code: 'permission_denied' } });
    }
    expect(await siteOf('box-1')).toEqual({ ok: true, value: 'harbour' });
    const harbour = shownBy(second.value.certificate);
    expect(await renew(harbour, await newRequest('box-1'))).toMatchObject({ ok: true });
  });

  it('[IDN15] a renewal that was under way when the name went to another does not count as the newest', async () => {
    const { enrol, newToken, table, clock } = await fresh();
    const first = await enrol(await newToken({ site: 'quay' }), await newRequest('box-1'));
    assert(first.ok, 'enrolled');
    const quay = shownBy(first.value.certificate);
    const moves = await newToken({ device: 'box-1', site: 'harbour' });
    expect(await enrol(moves, await newRequest('box-1'))).toMatchObject({ ok: true });
    const notAfterMs = clock.nowMs() + 48 * hourMs;
    const late = { ...quay, serial: 'b2', key: 'k', notAfterMs, renews: quay.serial };
    expect(await table.addCertificate(late, clock.nowMs())).toMatchObject({ ok: true });
    expect(await table.siteOf('box-1', clock.nowMs())).toEqual({ ok: true, value: 'harbour' });
  });

  it('[IDN15] a certificate that the database does not know, or knows from before, is renewed', async () => {
    const { enrol, renew, newToken, table, clock, database } = await fresh();
    const first = await enrol(await newToken({ site: 'quay' }), await newRequest('box-1'));
    assert(first.ok, 'enrolled');
    await database.updateTable('certificate').set({ enrolment: 0, site: null }).execute();
    const quay = shownBy(first.value.certificate);
    expect(await renew(quay, await newRequest('box-1'))).toMatchObject({ ok: true });
    const restored = { ...quay, serial: 'c3' };
    expect(await renew(restored, await newRequest('box-1'))).toMatchObject({ ok: true });
    advance(clock, 1_000);
    const moves = await newToken({ device: 'box-1', site: 'harbour' });
    expect(await enrol(moves, await newRequest('box-1'))).toMatchObject({ ok: true });
    expect(await table.siteOf('box-1', clock.nowMs())).toEqual({ ok: true, value: 'harbour' });
    const old = await renew(quay, await newRequest('box-1'));
    expect(old).toMatchObject({ error: { code: 'permission_denied' } });
  });

  it('[IDN18] of what has expired long ago none is kept that says nothing more, and an enrolment keeps its place', async () => {
    const { enrol, renew, newToken, table, clock, database } = await fresh();
    const rows = async () =>
      (await database.selectFrom('certificate').selectAll().execute()).length;
    const tokens = async () =>
      (await database.selectFrom('join_token').selectAll().execute()).length;
    expect(await enrol(await newToken(), await newRequest('box-2'))).toMatchObject({ ok: true });
    expect(await enrol(await newToken(), await newRequest('box-1'))).toMatchObject({ ok: true });
    advance(clock, 30 * hourMs);
    const request = await newRequest('box-1');
    const moved = await enrol(await newToken({ device: 'box-1' }), request);
    assert(moved.ok, 'enrolled again');
    expect([await rows(), await tokens()]).toEqual([3, 1]);
    advance(clock, expiredKeptMs + 30 * hourMs);
    // The same machine once more: what it replaced has gone, and it is still the last.
    const again = await enrol(await newToken({ device: 'box-1' }), request);
    assert(again.ok, 'enrolled');
    expect(await rows()).toBe(2);
    const once = await enrol(await newToken({ device: 'box-1' }), request);
    assert(once.ok, 'enrolled');
    for (const { certificate } of [again.value, once.value]) {
      const { serial } = shownBy(certificate);
      expect(await table.isReplaced('box-1', serial)).toEqual({ ok: true, value: false });
    }
    const kept = await database.selectFrom('certificate').select('enrolment').execute();
    expect(kept.map(({ enrolment }) => enrolment).sort()).toEqual([1, 2, 2]);
    expect(await renew(shownBy(again.value.certificate), await newRequest('box-1'))).toMatchObject({
      ok: true,
    });
  });

  it('a device renews its own certificate, and no other', async () => {
    const { renew } = await fresh();
    const subject = { device: 'box-1', site: 'harbour', serial: 'a1' };
    expect(await renew(subject, await newRequest('box-1'))).toMatchObject({ ok: true });
    const stolen = await renew(subject, await newRequest('box-2'));
    expect(stolen).toMatchObject({ error: { code: 'permission_denied' } });
  });

  it.each(['', 'skerry1.x.y', `skerry1.${'a'.repeat(43)}.${'0'.repeat(64)}`])(
    '[IDN1] refuses the token "%s" and does not repeat it',
    async (token) => {
      const { enrol } = await fresh();
      const answer = await enrol(token, await newRequest('box-1'));
      expect(answer).toMatchObject(refused);
      if (token !== '') expect(JSON.stringify(answer)).not.toContain(token);
    },
  );

  it.each(['', 'x', `-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n`, 'y'.repeat(5_000)])(
    'refuses what is no request: %#',
    async (request) => {
      const { enrol, newToken } = await fresh();
      const answer = await enrol(await newToken(), request);
      expect(answer).toMatchObject({ error: { code: 'invalid_argument' } });
    },
  );

  it.each(['skerry:coordinator:0', 'UPPER', 'a/b', '+', ''])(
    'refuses a request for the name "%s"',
    async (name) => {
      const { enrol, newToken } = await fresh();
      const answer = await enrol(await newToken(), await newRequest(name));
      expect(answer).toMatchObject({ ok: false });
    },
  );

  it('[IDN5] revocations are found by whoever reads them next', async () => {
    const { enrol, newToken, table, clock } = await fresh();
    const enrolled = await enrol(await newToken(), await newRequest('box-1'));
    assert(enrolled.ok, 'enrolled');
    const serial = new X509Certificate(enrolled.value.certificate).serialNumber;
    const revocations = await openRevocations(1_000, table, { clock, log: silentLog });
    assert(revocations.ok, 'opened');
    onTestFinished(revocations.value.close);
    expect(revocations.value.has(serial)).toBe(false);
    const read = new Promise<void>((resolve) => revocations.value.onRead(() => resolve()));
    expect(await table.revoke('box-1', clock.nowMs())).toEqual({ ok: true, value: 1 });
    advance(clock, 1_000);
    await read;
    expect(revocations.value.has(serial)).toBe(true);
  });
});
