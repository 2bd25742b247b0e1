// SvelteKit's $app/paths of a site at the root.

export const base = "";
