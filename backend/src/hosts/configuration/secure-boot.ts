/** Secure boot templates: files have their ids, people and cmdlets their names. */
import { NIL_GUID, parseGuid } from '../../support/guid.ts';

/** Name → id, as Get-VMHost and Set-VMFirmware know them. */
const TEMPLATES: Record<string, string> = {
  MicrosoftWindows: '1734c6e8-3154-4dda-ba5f-a874cc483422',
  MicrosoftUEFICertificateAuthority: '272e7447-90a4-4563-a4b9-8e4ab00526ce',
  OpenSourceShieldedVM: '4292ae2b-ee2c-42b5-a969-dd8f8689f6f3',
};

/** @returns the name, the id where it has none, undefined for no template */
export function templateName(id: string | undefined): string | undefined {
  const guid = parseGuid(id ?? '');
  if (!guid || guid === NIL_GUID) return undefined;
  return Object.keys(TEMPLATES).find((name) => TEMPLATES[name] === guid) ?? guid;
}

/** @param name a name or an id. @returns null when the name is not known */
export function templateId(name: string): string | null {
  const known = Object.entries(TEMPLATES).find(([template]) => template.toLowerCase() === name.toLowerCase());
  return known?.[1] ?? parseGuid(name);
}
