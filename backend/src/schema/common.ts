/**
 * The vocabulary that every area's schemas share. Each field says what it means and in which unit: types, run-time
 * validation, `docs/protocol.md` and the cmdlets' contract all come from these objects.
 *
 * Convention: `XParams` is the schema and, by z.infer, the type after defaults were filled in. Parameter objects are
 * strict (an unknown name is a mistake to report); results may grow.
 */
import * as z from 'zod';

export const ByteCount = z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER);
export const DiskIndex = z.number().int().nonnegative().max(1023);
export const DurationMs = z.number().int().nonnegative();
export const Timestamp = z.iso.datetime();

export const HostUri = z
  .string()
  .min(1)
  .describe('The host: `sim:DIR` for a simulated one, `hyperv:` for this machine, `hyperv:SERVER` for another.');

/** Never logged, never in a message, a trace, an argument or a variable of a process. */
export const HostCredential = z
  .strictObject({
    userName: z
      .string()
      .min(1)
      .max(512)
      .describe('The account: `DOMAIN\\user`, `user@domain`, or a name of the host itself.'),
    password: z.string().min(1).max(4096).describe('Its password.'),
  })
  .meta({ id: 'HostCredential' });
export type HostCredential = z.infer<typeof HostCredential>;

/** Which host, in the parameters of every method that works with real hosts too. */
export const OfHost = {
  host: HostUri,
  credential: HostCredential.optional().describe(
    'Account to reach another host with (`hyperv:SERVER`); that of this process when absent. Not kept and not logged.',
  ),
};

export const RepositoryLocation = z.string().min(1).describe('Folder of the repository (local path or SMB path).');

/** Never logged, and never in a message. */
export const Passphrase = z
  .string()
  .min(1)
  .max(4096)
  .describe('Passphrase of the repository; only for one that is encrypted. Not kept and not logged.');

/** Which repository, in the parameters of every method that works with one. */
export const OfRepository = { repository: RepositoryLocation, passphrase: Passphrase.optional() };

export const VmSelector = z.string().min(1).describe('Exact name (case-insensitive) or id of the VM.');

export const PointSelector = z
  .string()
  .min(1)
  .max(64)
  .describe('Id of the restore point, or a prefix of it (4 characters or more) that no other one has.');

/** Images that differencing ones were made over; which belongs to which is determined by their identities. */
export const ParentImages = z.array(z.string().min(1)).max(256).optional();

/** Bytes a second. */
export const RateLimit = z.number().int().min(1024).max(Number.MAX_SAFE_INTEGER);

/** What a restore point holds: the VM's configuration and disks, or its disks alone. */
export const BackupKind = z.enum(['vm', 'data']);
export type BackupKind = z.infer<typeof BackupKind>;

/** How a disk, or a restore point as a whole, was read. */
export const ReadMode = z.enum(['full', 'incremental']);
export type ReadMode = z.infer<typeof ReadMode>;

/** How disks of a Hyper-V host are read, in the parameters of methods that read them or say how they would. */
export const OfReading = {
  readMethod: z
    .enum(['auto', 'native', 'attached', 'export'])
    .default('auto')
    .describe(
      'How disks are read: `native` from their files, `attached` through virtdisk.dll, `export` from what the host exports over WMI; `auto` ' +
        'reads the files, and uses another method where they cannot be read.',
    ),
  exportFolder: z
    .string()
    .min(1)
    .optional()
    .describe(
      'Folder for exports, as the host names it (local path of the host, or a share that both reach); they are removed when they were read. ' +
        "A folder of its own below the host's folder for virtual disks when absent.",
    ),
};

export const Warnings = z.array(z.string()).describe('What the person should know although the operation succeeded.');

export const OverrideDoubt = z
  .boolean()
  .default(false)
  .describe(
    'Delete in spite of a doubt (REPOSITORY_DOUBTFUL): restore points that are missing without a removal, incomplete listings. For this call only.',
  );
