/**
 * Identities that a file needs and a description does not have: from the VM's id and their purpose, so that the same VM
 * always gives the same file.
 */
import { createHash } from 'node:crypto';
import { readGuidBigEndian } from '../../support/guid.ts';

/** @param purpose for instance `scsi 0`. @returns a GUID of version 8 (RFC 9562: made by a rule of one's own) */
export function derivedGuid(vmId: string, purpose: string): string {
  const digest = digestOf(vmId, purpose);
  digest[6] = (digest[6]! & 0x0f) | 0x80;
  digest[8] = (digest[8]! & 0x3f) | 0x80;
  return readGuidBigEndian(digest);
}

/** Decimal digits in groups of four and a last one of two, as the serial numbers of virtual firmware are. */
export function derivedSerial(vmId: string): string {
  const digits = BigInt(`0x${digestOf(vmId, 'serial').toString('hex')}`)
    .toString()
    .padStart(26, '0')
    .slice(-26);
  return digits.match(/.{1,4}/g)!.join('-');
}

const digestOf = (vmId: string, purpose: string): Buffer =>
  createHash('sha256').update(`HyperVBackup ${vmId} ${purpose}`).digest().subarray(0, 16);
