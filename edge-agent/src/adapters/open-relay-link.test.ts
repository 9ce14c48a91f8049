import type { PeerCertificate } from 'node:tls';
import { expect, it } from 'vitest';
import { refuseStranger } from './open-relay-link.ts';

it('[RLY5] a neighbour shows itself to a device alone, and to one of its own site where that is known', () => {
  const judge = (subject: Partial<PeerCertificate['subject']>) =>
    refuseStranger({ subject: subject as PeerCertificate['subject'] }, 'harbour')?.message;
  expect(judge({ CN: 'box-1', OU: 'harbour' })).toBeUndefined();
  expect(judge({ CN: 'box-1' })).toBeUndefined();
  expect(judge({ CN: 'box-1', OU: 'south' })).toMatch(/of site 'south'/);
  for (const CN of ['Skerry coordinator', 'skerry:coordinator:one', ''])
    expect(judge({ CN, OU: 'harbour' })).toMatch(/no device/);
  expect(judge({})).toMatch(/no device/);
});
