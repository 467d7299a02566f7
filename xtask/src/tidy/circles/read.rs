//! Reads one file's text: what its modules define, bring into scope and name.

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Expr, Ident, Item, ItemMod, ItemUse, Lit, Meta, UseTree, Visibility};

use super::tree::{Mention, MentionKind, ModuleIndex, Tree};

/// A module that is declared, and whose text stands in a file of its own.
#[derive(Debug)]
pub(super) struct Outer {
    /// The module that declares it.
    pub(super) module: ModuleIndex,
    /// Its name.
    pub(super) name: String,
    /// What `#[path]` says.
    pub(super) path: Option<String>,
}

/// Reads a module's file into the tree; gives the modules that it declares and doesn't hold.
pub(super) fn read(
    tree: &mut Tree,
    module: ModuleIndex,
    text: &str,
) -> Result<Vec<Outer>, syn::Error> {
    let file = syn::parse_file(text)?;
    let mut reader = Reader {
        tree,
        module,
        outers: Vec::new(),
    };
    reader.visit_file(&file);
    Ok(reader.outers)
}

struct Reader<'a> {
    tree: &'a mut Tree,
    module: ModuleIndex,
    outers: Vec<Outer>,
}

impl Reader<'_> {
    fn define(&mut self, name: &Ident) {
        let name = text_of(name);
        self.tree.modules[self.module].items.insert(name);
    }

    fn mention(&mut self, path: Vec<String>, line: usize, kind: MentionKind) {
        self.tree.mentions.push(Mention {
            module: self.module,
            path,
            line,
            kind,
        });
    }

    /// Takes one arm of a `use`, whose names so far are given.
    fn take_use(&mut self, tree: &UseTree, before: &[String], kind: MentionKind) {
        let with = |name: &Ident| {
            let mut path = before.to_vec();
            // `use a::b::{self}` names `a::b`.
            if name != "self" || before.is_empty() {
                path.push(text_of(name));
            }
            path
        };
        match tree {
            UseTree::Path(arm) => self.take_use(&arm.tree, &with(&arm.ident), kind),
            UseTree::Name(arm) => {
                let path = with(&arm.ident);
                let name = path.last().cloned().unwrap_or_default();
                self.bring(name, path, arm.ident.span().start().line, kind);
            }
            UseTree::Rename(arm) => {
                let line = arm.ident.span().start().line;
                self.bring(text_of(&arm.rename), with(&arm.ident), line, kind);
            }
            UseTree::Glob(arm) => {
                let line = arm.star_token.spans[0].start().line;
                let globs = &mut self.tree.modules[self.module].globs;
                globs.push(before.to_vec());
                self.mention(before.to_vec(), line, kind);
            }
            UseTree::Group(arm) => {
                for arm in &arm.items {
                    self.take_use(arm, before, kind);
                }
            }
        }
    }

    fn bring(&mut self, name: String, path: Vec<String>, line: usize, kind: MentionKind) {
        let imports = &mut self.tree.modules[self.module].imports;
        imports.entry(name).or_default().push(path.clone());
        self.mention(path, line, kind);
    }

    /// Takes the paths of a macro's tokens: names with `::` between them. One name alone may be
    /// anything.
    fn take_tokens(&mut self, tokens: &TokenStream) {
        let tokens: Vec<TokenTree> = tokens.clone().into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            match &tokens[at] {
                TokenTree::Group(group) => self.take_tokens(&group.stream()),
                TokenTree::Ident(first) => {
                    let path = path_at(&tokens[at..]);
                    let is_variable =
                        is_punct(&tokens, at.wrapping_sub(1), '$') && first != "crate";
                    let is_later = is_punct(&tokens, at.wrapping_sub(1), ':')
                        && is_punct(&tokens, at.wrapping_sub(2), ':');
                    at += 3 * (path.len() - 1);
                    if path.len() > 1 && !is_variable && !is_later {
                        self.mention(path, first.span().start().line, MentionKind::Code);
                    }
                }
                _ => {}
            }
            at += 1;
        }
    }

    /// Takes what a macro seems to define: names behind the keywords that define.
    fn define_from(&mut self, tokens: &TokenStream) {
        const KEYWORDS: [&str; 8] = [
            "const", "enum", "fn", "static", "struct", "trait", "type", "union",
        ];
        let mut is_behind = false;
        for token in tokens.clone() {
            match token {
                TokenTree::Ident(word) if is_behind => {
                    self.define(&word);
                    is_behind = false;
                }
                TokenTree::Ident(word) => is_behind = KEYWORDS.iter().any(|&known| word == known),
                TokenTree::Group(group) => {
                    self.define_from(&group.stream());
                    is_behind = false;
                }
                _ => is_behind = false,
            }
        }
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        match item {
            Item::Const(item) => self.define(&item.ident),
            Item::Enum(item) => self.define(&item.ident),
            Item::Fn(item) => self.define(&item.sig.ident),
            Item::Static(item) => self.define(&item.ident),
            Item::Struct(item) => self.define(&item.ident),
            Item::Trait(item) => self.define(&item.ident),
            Item::TraitAlias(item) => self.define(&item.ident),
            Item::Type(item) => self.define(&item.ident),
            Item::Union(item) => self.define(&item.ident),
            Item::Macro(item) => match &item.ident {
                Some(name) => self.define(name),
                None => self.define_from(&item.mac.tokens),
            },
            _ => {}
        }
        visit::visit_item(self, item);
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        let name = text_of(&item.ident);
        let Some((_, items)) = &item.content else {
            self.outers.push(Outer {
                module: self.module,
                name,
                path: item.attrs.iter().find_map(path_attribute),
            });
            return;
        };
        let around = self.module;
        let (file, folder) = {
            let module = &self.tree.modules[around];
            (module.file, module.folder.join(&name))
        };
        self.module = self.tree.add(Some(around), file, folder);
        let children = &mut self.tree.modules[around].children;
        children.push((name, self.module));
        for item in items {
            self.visit_item(item);
        }
        self.module = around;
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let kind = match item.vis {
            Visibility::Inherited => MentionKind::Import,
            _ => MentionKind::ReExport,
        };
        // `::name` is another crate's.
        if item.leading_colon.is_none() {
            self.take_use(&item.tree, &[], kind);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none()
            && let Some(first) = path.segments.first()
        {
            let line = first.ident.span().start().line;
            let names = path.segments.iter().map(|name| text_of(&name.ident));
            self.mention(names.collect(), line, MentionKind::Code);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        self.visit_path(&item.path);
        self.take_tokens(&item.tokens);
    }

    // `pub(in crate::a)` uses nothing of it.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_attribute(&mut self, _: &'ast Attribute) {}
}

/// The names that stand at the front of these tokens, with `::` between them.
fn path_at(tokens: &[TokenTree]) -> Vec<String> {
    let mut path = Vec::new();
    let mut at = 0;
    while let Some(TokenTree::Ident(name)) = tokens.get(at) {
        path.push(text_of(name));
        if !(is_punct(tokens, at + 1, ':') && is_punct(tokens, at + 2, ':')) {
            break;
        }
        at += 3;
    }
    path
}

fn is_punct(tokens: &[TokenTree], at: usize, sign: char) -> bool {
    matches!(tokens.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == sign)
}

fn text_of(name: &Ident) -> String {
    let text = name.to_string();
    text.strip_prefix("r#").map_or(text.clone(), str::to_owned)
}

/// What `#[path = "…"]` says.
fn path_attribute(attribute: &Attribute) -> Option<String> {
    let Meta::NameValue(pair) = &attribute.meta else {
        return None;
    };
    match &pair.value {
        Expr::Lit(value) if pair.path.is_ident("path") => match &value.lit {
            Lit::Str(text) => Some(text.value()),
            _ => None,
        },
        _ => None,
    }
}
