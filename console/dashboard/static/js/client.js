// Questions and acts of the page; an error is its words and the next step.

async function answered(response) {
  if (response.status === 204) return null;
  const body = await response.json().catch(() => ({}));
  if (response.status === 401) location.assign("/login");
  if (!response.ok) throw new Error([body.detail || `status ${response.status}`, body.hint].filter(Boolean).join(". "));
  return body;
}

export const get = async (path, query = {}) => {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return answered(await fetch(`${path}?${new URLSearchParams(given)}`, { headers: { accept: "application/json" } }));
};

export const post = async (path, body) =>
  answered(
    await fetch(path, {
      method: "POST",
      headers: { "content-type": "application/json", "x-vpp-request": "page" },
      body: JSON.stringify(body),
    }),
  );
