import type { PeerCertificate } from 'node:tls';
import { expect, it } from 'vitest';
import { refuseStranger } from './open-relay-link.ts';

it('[RLY5] a neighbour shows itself to a device alone, and to one of its own site alone', () => {
  const judge = (subject: Partial<PeerCertificate['subject']>, site = 'harbour') =>
    refuseStranger({ subject: subject as PeerCertificate['subject'] }, site)?.message;
  expect(judge({ CN: 'box-1', OU: 'harbour' })).toBeUndefined();
  expect(judge({ CN: 'box-1' }, 'default')).toBeUndefined();
  expect(judge({ CN: 'box-1' })).toMatch(/of site 'default'/);
  expect(judge({ CN: 'box-1', OU: 'south' })).toMatch(/of site 'south'/);
  for (const CN of ['Skerry coordinator', 'skerry:coordinator:one', ''])
    expect(judge({ CN, OU: 'harbour' })).toMatch(/no device/);
  expect(judge({})).toMatch(/no device/);
});
