// Lists the favourites stored in the browser.
"use strict";

(() => {
  const list = document.getElementById("favourites");

  function element(name, properties, ...children) {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  }

  function tile(card) {
    const picture = element("img", { src: card.thumbnail ?? card.image, alt: card.alt, loading: "lazy" });
    picture.addEventListener("error", () => picture.replaceWith("This picture is gone."));
    const remove = element("button", { type: "button", ariaLabel: `Remove: ${card.title}. ${card.text}` }, "Remove");
    const item = element("li", {}, element("a", { href: card.page }, picture), remove);
    remove.addEventListener("click", () => {
      memory.setFavourite(card, false);
      const neighbour = item.nextElementSibling ?? item.previousElementSibling;
      item.remove();
      neighbour?.querySelector("button").focus(); // keeps the keyboard focus in the list
      tellIfEmpty();
    });
    return item;
  }

  function tellIfEmpty() {
    document.getElementById("empty").hidden = list.children.length > 0;
  }

  list.append(...memory.favourites().map(tile));
  tellIfEmpty();
})();
