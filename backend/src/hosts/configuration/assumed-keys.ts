/**
 * Keys whose names are ours: it is undocumented where Hyper-V keeps these, and no file seen has them. What is written
 * under them reads back here; a file of Hyper-V's that keeps them elsewhere says nothing about them.
 */

/** Below `global_settings/snapshots`: id of the checkpoint applied last. */
export const LAST_APPLIED = 'last_applied';
/**
 * Below `/configuration`: whether the virtual TPM is on. The node is known to hold security settings; the TPM device is
 * in the manifest of every VM of generation 2, so that proves nothing.
 */
export const SECURITY = ['security', 'settings'] as const;
export const TPM_ENABLED = 'tpm_enabled';
